"""Every table and figure, from the declared experiments to figures/<scale>/.

    snakemake --cores all                                       a check of the pipeline, minutes
    snakemake --cores all --config scale=laptop seeds=0,1,2 data_root=/path/to/sets
    snakemake --cores 8 --resources gpu=2 --config scale=gpu gpus=2    one run on each of two GPUs
    snakemake --executor slurm --jobs 20 --config scale=gpu     with the plugin of that name

One run is one notebook job, which trains and measures; classical fillings are measured without one.
Tables are made from records, figures from weights. A run goes on where it was interrupted, and is made again when its notebook or parameters
change. One that fails stops no other. Photographs of the training data appear in no figure.
"""

import os
import shlex
import sys

sys.path.insert(0, str(workflow.basedir))
from aotgan.reproduce.runs.experiments import EXPERIMENTS as DECLARED
from aotgan.reproduce.runs.experiments import runs_of, select
from aotgan.reproduce.runs.outputs import figure_files, record_files, table_files

DEFAULTS = {
    "scale": "smoke",  # a name of `aotgan list`: smoke, laptop, gpu, paper
    "experiments": "aotgan,ablations,classical",  # names or groups of `aotgan list`, by commas
    "seeds": "0",  # by commas
    "data": "",  # image set or folder of photographs instead of the scale's
    "data_root": "",  # folder of the named image sets; $AOTGAN_DATA by default
    "out": "runs",  # runs/<scale>/<experiment>/seed<k>/
    "figures": "figures",
    "device": "auto",
    "gpus": 0,  # give each run one of so many GPUs to itself; 0 leaves the choice to the machine
    "steps": 0,  # training steps instead of the scale's
}
unknown = sorted(set(config) - set(DEFAULTS))
if unknown:
    raise ValueError(f"--config {unknown[0]}: unknown, choose of {', '.join(DEFAULTS)}.")
SET = {**DEFAULTS, **config}
for name in ("data", "data_root", "out", "figures"):  # a folder may be called 2024, or lie below ~
    SET[name] = os.path.expanduser(str(SET[name]))
for name in ("out", "figures"):
    SET[name] = SET[name].rstrip("/") or "/"
    if set("{}") & set(SET[name]):
        raise ValueError(
            f"{name}={SET[name]}: Snakemake takes braces for wildcards. Choose a folder without them,"
            " or train with `aotgan reproduce`."
        )
if not os.path.exists("notebooks/06_train_aotgan.ipynb"):
    raise ValueError(f"no notebooks here: run `cd {workflow.basedir} && snakemake` with your options.")


def listed(value):
    """Names or numbers, given as a list, as one value, or as text with commas."""
    items = value if isinstance(value, list) else str(value).split(",")
    return [str(item).strip() for item in items]


SCALE, OUT, FIGURES = SET["scale"], SET["out"], SET["figures"]
EXPERIMENTS, SEEDS = select(listed(SET["experiments"])), listed(SET["seeds"])
RUNS = runs_of(EXPERIMENTS, map(int, SEEDS))
UNTRAINED = [name for name, experiment in DECLARED.items() if not experiment.trained]
NOTEBOOK = "notebooks/06_train_aotgan.ipynb"
RUN = f"{OUT}/{SCALE}/{{experiment}}/seed{{seed}}"
RESULT = {name: "record.json" if name in UNTRAINED else "train.ipynb" for name in EXPERIMENTS}
FINISHED = [f"{RUN}/{RESULT[name]}".format(experiment=name, seed=seed) for name, seed in RUNS]
FOLDER = f"{FIGURES}/{SCALE}"
TABLES = [f"{FOLDER}/{file}" for run in RUNS for file in record_files(*run)]
TABLES += [f"{FOLDER}/{file}" for file in table_files(EXPERIMENTS)]
PICTURES = [f"{FOLDER}/{file}" for file in figure_files(EXPERIMENTS)]
PYTHON = shlex.quote(sys.executable)
SELECTION = f"--experiments {','.join(EXPERIMENTS)} --seeds {','.join(SEEDS)}"
COLLECT = f"{PYTHON} -m aotgan.cli collect {SCALE} --out {shlex.quote(OUT)} {SELECTION}"
MOST_THREADS = int(os.environ.get("OMP_NUM_THREADS", 64))  # Snakemake sets it to the rule's threads
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as in aotgan/cli.py
PLACES = {"data": "--data", "data_root": "--data-root"}  # options that are given where they are set
ON_GPU = f"sh tools/on_gpu.sh {int(SET['gpus'])}" if SET["gpus"] else ""


def arguments(wildcards):
    """The notebook's parameters as name=value, quoted for the shell."""
    values = {name: SET[name] for name in ("scale", "data", "data_root", "device", "out", "steps")}
    values |= {"experiment": wildcards.experiment, "seed": wildcards.seed}
    return " ".join(shlex.quote(f"{name}={value}") for name, value in values.items())


wildcard_constraints:
    experiment="[a-z0-9-]+",
    seed="[0-9]+",


rule all:
    input:
        TABLES,
        PICTURES,
    default_target: True


rule train:
    input: NOTEBOOK
    output: f"{RUN}/train.ipynb"
    params: arguments=arguments
    threads: min(max(1, (workflow.cores or 1) // len(RUNS)), MOST_THREADS)
    resources: gpu=1
    message: "training {wildcards.experiment}, seed {wildcards.seed}"
    shell:
        "{ON_GPU} {PYTHON} -m aotgan.cli notebook {input} {output:q}"
        " {params.arguments} && {PYTHON} -m aotgan.cli status --scale {SCALE} --out {OUT:q}"
        " {SELECTION}"


rule measure:
    output: f"{RUN}/record.json"
    params: where=" ".join(f"{o} {shlex.quote(str(SET[n]))}" for n, o in PLACES.items() if SET[n])
    wildcard_constraints: experiment="|".join(UNTRAINED)
    message: "measuring {wildcards.experiment}, which is not trained"
    shell:
        "{PYTHON} -m aotgan.cli train --experiment {wildcards.experiment} --seed {wildcards.seed}"
        " --scale {SCALE} --out {OUT:q} {params.where} > /dev/null"


rule tables:
    input: FINISHED
    output: TABLES
    shell:
        "{COLLECT} --figures {FIGURES:q} --only tables > /dev/null"


rule figures:
    input: FINISHED
    output: PICTURES
    shell:
        "{COLLECT} --figures {FIGURES:q} --only figures > /dev/null"


onsuccess:
    print(f"results: {FOLDER}/, tables, figures and records; runs: {OUT}/{SCALE}/")


onerror:
    missing = [name for name, file in zip(RUNS, FINISHED) if not os.path.exists(file)]
    for experiment, seed in missing:
        print(f"not finished: {experiment}, seed {seed}")
    print("the same command tries these again and keeps the others")
