"""Images of other sizes than a network was trained on, measured (section 4.9).

"When the image size changes, the optimal setting may need to search again": the rows of Table 4
differ in their dilation rates alone. Each is measured on the same photographs and holes at several
sizes, without training again.

The command is `aotgan measure sizes`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from aotgan.data.catalogue import load
from aotgan.data.images import read_image, resize
from aotgan.data.manifest import Manifest, make_manifest
from aotgan.data.mask_files import fit_mask
from aotgan.metrics.pixel import psnr
from aotgan.models.generator import Generator
from aotgan.reproduce.runs.experiments import ABLATION_BINS
from aotgan.reproduce.runs.outputs import RATES
from aotgan.reproduce.runs.scales import get_scale
from aotgan.reproduce.studies.study import (
    Mask,
    Picture,
    fill_all,
    finished_weights,
    intervals,
    write_result,
)

RESULT = "image_sizes"
SEED = 0  # of the photographs and masks
SIZES = (64, 96, 128, 176, 256)
PAIRS = 100

Sizes = Mapping[int, tuple[Picture, Mask]]  # a photograph and its hole by side in px


def at_sizes(manifest: Manifest, sizes: Sequence[int] = SIZES) -> Iterator[Sizes]:
    """Yields each pair of a manifest at every size.

    The squares are resampled from the files; the masks are the manifest's, nearest neighbour.
    """
    for _, mask, pair in manifest:
        photograph = read_image(manifest.image_paths[pair.image])
        yield {
            size: (resize(photograph, (size, size), pair.box), fit_mask(mask, size, size))
            for size in sizes
        }


def measure_sizes(
    networks: dict[tuple[str, int], Generator], manifest: Manifest, sizes: Sequence[int] = SIZES
) -> pd.DataFrame:
    """Fills the same photographs and holes at several sizes.

    Args:
        networks: by experiment and seed.
        manifest: pairs, one a photograph, at the largest size.
        sizes: sides in px, multiples of 4.

    Returns:
        One row a network and photograph: experiment, seed, photograph (a number), and the PSNR
        over the image in dB at each size, `psnr_<size>`.
    """
    rows = []
    pairs = tqdm(at_sizes(manifest, sizes), total=len(manifest), unit="pair", disable=None)
    for number, cases in enumerate(pairs):
        for (experiment, seed), network in networks.items():
            row = {"experiment": experiment, "seed": seed, "photograph": number}
            for size, (picture, mask) in cases.items():
                row[f"psnr_{size}"] = psnr(picture, fill_all(network, picture, [mask])[0])
            rows.append(row)
    return pd.DataFrame(rows)


def summarise_sizes(frame: pd.DataFrame, home: int) -> pd.DataFrame:
    """Averages over seeds and photographs, with 95 % intervals over photographs.

    Args:
        frame: as `measure_sizes` returns it.
        home: size in px that the networks were trained at.

    Returns:
        One row an experiment and size: experiment, size, seeds, and mean, `_low` and `_high` of
        psnr, of psnr_change (from the home size), of lead (PSNR above the mean of all experiments
        at this size) and of lead_change (from the home size).
    """
    psnrs = frame.drop(columns="seed").groupby(["experiment", "photograph"]).mean()
    leads = psnrs - psnrs.groupby(level="photograph").transform("mean")
    seeds = frame.groupby("experiment")["seed"].nunique()
    rows = []
    for name in frame["experiment"].unique():
        level, lead = psnrs.loc[name], leads.loc[name]
        for column in level.columns:
            row = {"experiment": name, "size": int(column.removeprefix("psnr_"))}
            row |= {"seeds": int(seeds[name])} | intervals("psnr", level[column])
            row |= intervals("psnr_change", level[column] - level[f"psnr_{home}"])
            row |= intervals("lead", lead[column])
            row |= intervals("lead_change", lead[column] - lead[f"psnr_{home}"])
            rows.append(row)
    return pd.DataFrame(rows)


def size_result(
    scale: str,
    out: str | Path,
    figures: str | Path,
    data_root: str | Path | None,
    pairs: int = PAIRS,
) -> list[Path]:
    """Measures networks of other dilation rates on images of other sizes than they were trained on.

    All finished runs of Table 4's rows are measured; the description names the rows without one.

    Args:
        scale: whose runs and photographs of faces are used.
        out: folder of all runs.
        figures: folder of all results.
        data_root: folder of the named image sets.
        pairs: photographs, each with one free-form hole of 40-50 %.

    Returns:
        The files written, `figures/<scale>/image_sizes.csv` and its description.

    Raises:
        InputError: no row of Table 4 has a finished run.
    """
    weights = finished_weights(scale, out, RATES)
    images = load(get_scale(scale).sets["faces"], "test", data_root)
    # made at the largest side: smaller ones are the same squares and holes, resampled
    manifest = make_manifest(images.files, max(SIZES), ABLATION_BINS, pairs, SEED)
    networks = {run: trained.generator() for run, trained in weights.items()}
    frame = measure_sizes(networks, manifest)
    about = {
        "what": "PSNR in dB of the same photographs and holes at several sizes",
        "data": images.name,
        "data_sha256": images.manifest_hash,
        "pairs_sha256": manifest.hash,
        "pairs": len(manifest),
        "hole": manifest.bins[0],
        "sizes_px": SIZES,
        "trained_px": get_scale(scale).size_px,
        "seed": SEED,
        "weights": {f"{name} seed {seed}": w.about() for (name, seed), w in weights.items()},
        "rows_without_a_run": [name for name in RATES if name not in {n for n, _ in weights}],
    }
    return write_result(frame, Path(figures) / scale / f"{RESULT}.csv", about)
