"""Every table and figure, from the declared experiments to figures/<scale>/.

    snakemake --cores all                                       a check of the pipeline, minutes
    snakemake --cores all --config scale=laptop seeds=0,1,2 data_root=/path/to/sets
    snakemake --cores 8 --resources gpu=2 --config scale=gpu gpus=2    two runs at a time
    snakemake --executor slurm --jobs 20 --config scale=gpu     with the plugin of that name

One run is one notebook job. It goes on where it was interrupted, and is made again when its
notebook or parameters change. Photographs of the training data appear in no figure.
"""

import os
import shlex
import sys

DEFAULTS = {
    "scale": "smoke",  # a name of `aotgan list`: smoke, laptop, gpu, paper
    "experiments": "aotgan",  # names of `aotgan list`, by commas
    "seeds": "0",  # by commas
    "data": "",  # image set or folder of photographs instead of the scale's
    "data_root": "",  # folder of the named image sets; $AOTGAN_DATA by default
    "out": "runs",  # runs/<scale>/<experiment>/seed<k>/
    "figures": "figures",
    "device": "auto",
    "gpus": 0,  # give run i the GPU i mod gpus; 0 leaves the choice to the machine
    "steps": 0,  # training steps instead of the scale's
}
unknown = sorted(set(config) - set(DEFAULTS))
if unknown:
    raise ValueError(f"--config {unknown[0]}: unknown, choose of {', '.join(DEFAULTS)}.")
SET = {**DEFAULTS, **config}


def listed(value):
    """Names or numbers, given as a list, as one value, or as text with commas."""
    items = value if isinstance(value, list) else str(value).split(",")
    return [str(item).strip() for item in items]


SCALE, OUT, FIGURES = SET["scale"], SET["out"], SET["figures"]
EXPERIMENTS, SEEDS = listed(SET["experiments"]), listed(SET["seeds"])
RUNS = [(experiment, seed) for experiment in EXPERIMENTS for seed in SEEDS]
NOTEBOOK = "notebooks/06_train_aotgan.ipynb"
RUN = f"{OUT}/{SCALE}/{{experiment}}/seed{{seed}}"
FOLDER = f"{FIGURES}/{SCALE}"
NAMES = ("aotgan.md", "aotgan.csv", "fills.png", "loss_curves.png")
RESULTS = [f"{FOLDER}/{name}" for name in NAMES]
RECORD = f"{FOLDER}/records/{{}}-seed{{}}.{{}}"
RECORDS = [RECORD.format(*run, kind) for run in RUNS for kind in ("json", "csv")]
PYTHON = shlex.quote(sys.executable)
MOST_THREADS = int(os.environ.get("OMP_NUM_THREADS", 64))  # Snakemake sets it to the rule's threads
# By default a waiting thread spins: where others use the cores too, a step then takes fifty times
# as long. A passive one gives its core away.
PATIENCE = "OMP_WAIT_POLICY=passive"


def arguments(wildcards):
    """The notebook's parameters as name=value, quoted for the shell."""
    values = {name: SET[name] for name in ("scale", "data", "data_root", "device", "out", "steps")}
    values |= {"experiment": wildcards.experiment, "seed": wildcards.seed}
    return " ".join(shlex.quote(f"{name}={value}") for name, value in values.items())


def gpu_choice(wildcards):
    """Sets the GPU of a run where several share a machine."""
    if not SET["gpus"]:
        return ""
    return f"CUDA_VISIBLE_DEVICES={RUNS.index(tuple(wildcards)) % int(SET['gpus'])}"


wildcard_constraints:
    experiment="[a-z0-9-]+",
    seed="[0-9]+",


rule all:
    input:
        RESULTS,
        RECORDS,
    default_target: True


rule train:
    input:
        NOTEBOOK,
    output:
        f"{RUN}/train.ipynb",
    params:
        arguments=arguments,
        gpu=gpu_choice,
    threads: min(max(1, (workflow.cores or 1) // len(RUNS)), MOST_THREADS)
    resources:
        gpu=1,
    message:
        "training {wildcards.experiment}, seed {wildcards.seed}"
    shell:
        "{PATIENCE} {params.gpu} {PYTHON} -m aotgan.reproduce.notebooks {input} {output:q}"
        " {params.arguments}"


rule collect:
    input:
        [f"{OUT}/{SCALE}/{experiment}/seed{seed}/train.ipynb" for experiment, seed in RUNS],
    output:
        RESULTS,
        RECORDS,
    params:
        selection=f"--experiments {','.join(EXPERIMENTS)} --seeds {','.join(SEEDS)}",
    message:
        "tables and figures"
    shell:
        "{PYTHON} -m aotgan.reproduce.collect {SCALE} --out {OUT:q} --figures {FIGURES:q}"
        " {params.selection} > /dev/null"


onsuccess:
    print(f"results: {FOLDER}/aotgan.md, tables, figures and records beside it")
    print(f"runs: {OUT}/{SCALE}/, with executed notebooks, weights and logs")
