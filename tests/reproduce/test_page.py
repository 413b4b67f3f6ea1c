"""The page of a scale: every table and picture, from records alone."""

from pathlib import Path

import pytest
from model_runs import classical_run, run_of
from synthetic_runs import synthetic_run
from tolerances import ROUNDED

from aotgan.reproduce.page import brief, write_page
from aotgan.reproduce.tables.rows import rows_of_table
from aotgan.reproduce.tables.table import Table

T7 = list(rows_of_table("7").values())


def test_it_shows_what_the_runs_suffice_for(write_runs, tmp_path):
    folder = write_runs(*(synthetic_run(name, seed) for name in T7[1:] for seed in (0, 1)))
    page = write_page("laptop", tmp_path)
    text = page.read_text("utf-8")
    assert page == folder / "README.md" and text.startswith("# Results at scale laptop")
    assert "4 runs of 2 experiments, 4 of them trained" in text
    assert "## Table 7: discriminators" in text and "## Table 6" not in text
    assert f"2 of {len(T7)} rows, 4 runs: [all numbers](table7.md)" in text
    assert "- HM-PatchGAN → SM-PatchGAN: " in text
    assert "figure8.png" not in text, "PatchGAN has not been run"
    assert "(gate_maps.png)" not in text, "it belongs to Table 6"
    write_runs(synthetic_run(T7[0]))
    whole = write_page("laptop", tmp_path).read_bytes()
    assert b"(figure8.png)" in whole
    (folder / "figure8.png").touch()
    assert write_page("laptop", tmp_path).read_bytes() == whole, "pictures may be drawn later"


def test_the_brief_table_has_our_rows_best_first():
    runs = {name: [run_of(name)] for name in ("ca", "hifill", "aotgan")}
    table = Table("1", runs | {"telea": [classical_run()]})
    shown = brief(table)
    assert shown["model"].tolist() == ["Telea †", "AOT-GAN", "HiFill", "CA"]
    values = [float(value) for value in shown["PSNR (dB)"]]
    assert values == sorted(values, reverse=True)
    assert values[1] == pytest.approx(
        table.runs_of("AOT-GAN")[0].value(table.metric("psnr")), ROUNDED
    )


@pytest.mark.usefixtures("as_committed")
@pytest.mark.parametrize("scale", ["laptop", "gpu"])
def test_the_committed_page_is_what_the_records_give(tmp_path, scale):
    committed = Path(__file__).parents[2] / "figures" / scale
    for path in committed.iterdir():
        if path.name != "README.md":
            (tmp_path / scale).mkdir(exist_ok=True)
            (tmp_path / scale / path.name).symlink_to(path)
    page = write_page(scale, tmp_path)
    assert page.read_bytes() == (committed / "README.md").read_bytes()
