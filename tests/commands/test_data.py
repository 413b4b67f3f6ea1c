"""`aotgan data`: what it lists, and that what an error advises makes the set, to the letter."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aotgan.data.catalogue import load
from aotgan.data.listing import Listed, listing_of, read_listing
from aotgan.data.sources import CATALOGUE, read_entries

ROOT = Path(__file__).parents[2]
DECLARED = """
[{name}]
folder = "{name}"
layout = "{layout}"
size = "32 px"
used_for = "tests"
expected = "photographs of noise"
licence = "CC0"
citation = "nobody"
{more}

[[{name}.origins]]
repository = "{repository}"
commit = "{commit}"
ref = "{ref}"
names = '(.+)\\.png'
paths = ["{{0}}.png"]
"""


def git(folder, *words):
    names = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    command = ["git", "-C", str(folder), *names, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def publish(remote, first):
    """A repository of 20 pictures of noise whose commit no branch holds; that commit."""
    remote.mkdir(parents=True)
    git(remote, "init", "-q", "-b", "main")
    git(remote, "commit", "-q", "--allow-empty", "-m", "empty")
    git(remote, "switch", "-q", "--detach")
    for number in range(first, first + 20):
        noise = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(remote / f"{number}.png")
    git(remote, "add", ".")
    git(remote, "commit", "-q", "-m", "photographs")
    commit = git(remote, "rev-parse", "HEAD")
    git(remote, "update-ref", "refs/pull/1/head", commit)
    git(remote, "switch", "-q", "main")
    return commit


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Two sets, one of which extends the other, and what stands for github.com."""
    monkeypatch.delenv("AOTGAN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    listings = {}
    for name, first, layout, more in (
        ("noise", 0, "listed", ""),
        ("more-noise", 50, "extended", 'extends = "noise"'),
    ):
        remote = tmp_path / "remotes/somebody" / name
        commit = publish(remote, first)
        text = DECLARED.format(
            name=name,
            layout=layout,
            more=more,
            repository=f"somebody/{name}",
            commit=commit,
            ref="refs/pull/1/head",
        )
        monkeypatch.setitem(CATALOGUE, name, read_entries(text)[name])
        git(remote, "checkout", "-q", commit)
        rows = [line.split(",") for line in listing_of(remote).splitlines()[1:]]
        listings[name] = {file: Listed(digest, pixels) for file, digest, pixels in rows}
        git(remote, "switch", "-q", "main")
    for place in ("aotgan.data.prepare", "aotgan.data.catalogue", "aotgan.data.listing"):
        monkeypatch.setattr(
            f"{place}.read_listing", lambda name: listings.get(name) or read_listing(name)
        )
    config = tmp_path / "gitconfig"
    config.write_text(
        f'[url "file://{tmp_path}/remotes/"]\n  insteadOf = https://github.com/\n'
        "[protocol]\n  version = 2\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    return tmp_path


@pytest.mark.parametrize("name", ["noise", "more-noise"])
@pytest.mark.parametrize("words", ["train --data", "evaluate --data", "reproduce --data"])
def test_the_advice_of_an_error_makes_the_set(aotgan, published, name, words):
    status, _, err = aotgan(f"{words} {name} --data-root here")
    if words.startswith("reproduce"):
        assert status in (1, 2)
    else:
        assert status == 2
    command = re.search(
        rf"aotgan (data prepare {name} --from SOURCES --data-root here) \(which says", err
    )[1]
    status, out, err = aotgan(command)
    assert status == 2 and "Run the commands above, then this one again." in err
    commands = [line for line in out.splitlines() if line.startswith("git clone")]
    assert len(commands) == (2 if name == "more-noise" else 1)
    for line in commands:
        subprocess.run(["bash", "-c", line], check=True, capture_output=True)
    status, out, _ = aotgan(command)
    assert status == 0
    assert out.splitlines()[-1] == f"{name} in here/{name}: 20 made: the published bytes"
    assert len(load(name, "train", "here")) + len(load(name, "test", "here")) >= 20
    status, out, _ = aotgan(command)
    assert out.splitlines()[-1] == f"{name} in here/{name}: 20 were there: the published bytes"


def test_what_differs_is_named_and_status_1(aotgan, published):
    shutil.copytree("remotes", "sources")
    git("sources/somebody/noise", "checkout", "-q", CATALOGUE["noise"].origins[0].commit)
    Path("sources/somebody/noise/3.png").write_bytes(Path("gitconfig").read_bytes())
    status, out, _ = aotgan("data prepare noise --from sources --data-root here")
    assert status == 1
    assert "noise/3.png: what the sources give has other pixels" in out
    assert "19 made: the published bytes; 1 not right, named above" in out
    status, out, _ = aotgan("data list --data-root here")
    assert status == 0 and "19 files: the published bytes; 1 files: absent" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("data list --data-root absent", "data root absent: no such folder"),
        ("data prepare faces --from x", "give --data-root ROOT or set AOTGAN_DATA"),
        ("data prepare places2 --from x --data-root y", "used as published.*places2.csail.mit.edu"),
        ("data prepare facse --from x --data-root y", '"facse" is not a set that can be made'),
        ("data prepare faces --data-root y", r"Missing option '--from'.*data prepare --help"),
    ],
)
def test_bad_input_is_one_line(aotgan, monkeypatch, tmp_path, words, expected):
    monkeypatch.delenv("AOTGAN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    status, out, err = aotgan(words)
    assert (status, out) == (2, "") and err.count("\n") == 1 and re.search(expected, err)
    assert list(tmp_path.iterdir()) == []


def section(out, name):
    """The lines about a set."""
    return re.search(rf"^{re.escape(name)}:.*\n(?:  .*\n)*", out, re.MULTILINE)[0]


def test_every_set_is_listed_with_its_terms(aotgan, monkeypatch):
    monkeypatch.delenv("AOTGAN_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "1000")
    status, out, _ = aotgan("data list")
    assert status == 0
    for entry in CATALOGUE.values():
        text = section(out, entry.name)
        assert all(part in text for part in (entry.size, entry.licence, entry.used_for))
        assert all(str(origin) in text for origin in entry.origins) and entry.download in text
        there = "there and intact (15 files)" if entry.name == "bundled" else "no data root"
        assert there in text
    assert section(out, "faces").startswith("faces: 5,569 photographs, 178 x 218 px\n")
    assert section(out, "masks").startswith("masks: 803 masks, ")
    assert max(map(len, out.splitlines())) < 1000


def test_the_stand_ins_are_listed_as_intact(aotgan, stand_in_data):
    status, out, err = aotgan(f"data list --data-root {stand_in_data}")
    assert (status, err) == (0, "")
    for name in ("faces", "scenes", "scenes-more", "logos", "imagenet-sample", "masks"):
        assert "there and intact" in section(out, name)


def test_listing_loads_no_training():
    program = (
        "import sys; sys.argv = ['aotgan', 'data', '--help']\n"
        "from aotgan import cli\n"
        "try: cli.main()\n"
        "except SystemExit: print(*sorted({'torch', 'lightning', 'PIL'} & sys.modules.keys()))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "", "nothing heavy is imported"


def test_a_new_set_is_one_declaration_as_contributing_says(tmp_path):
    """Does what CONTRIBUTING says, in a copy of the package."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    part = re.search(r"^## Adding an image set\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)[1]
    (declaration,) = re.findall(r"```toml\n(.*?)```", part, re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(ROOT / "aotgan", tmp_path / "aotgan", ignore=ignored)
    with open(tmp_path / "aotgan/data/sources.toml", "a", encoding="utf-8") as sources:
        sources.write(declaration)
    folder = tmp_path / "data/street"
    folder.mkdir(parents=True)
    for number in range(40):
        Image.new("RGB", (80, 72), (number, 0, 0)).save(folder / f"{number}.png")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/aotgan").write_text(f'#!/bin/sh\nexec {sys.executable} -m aotgan.cli "$@"\n')
    (tmp_path / "bin/aotgan").chmod(0o755)
    lines = [line.replace("/data", str(tmp_path / "data")) for line in commands.splitlines()]
    environment = os.environ | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }
    listing, training = (
        subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        for line in lines
    )
    assert listing.returncode == 0, listing.stderr
    assert re.search(
        r"\d\d to train on and \d to test on are there", section(listing.stdout, "street")
    )
    assert training.returncode == 0, training.stderr
    assert list((tmp_path / "runs").rglob("record.json"))
