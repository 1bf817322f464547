"""docs/models.md against what the code counts, and where its published numbers come from."""

from pathlib import Path

import pytest

import models
from video_adapters.catalogue.experiments import compose_experiment, print_cost, published, variants
from video_adapters.catalogue.model_table import DOCUMENT, counted_cells, read_measured, row, table
from video_adapters.commands import command
from video_adapters.commands.config import config_names

from helpers.toy import composed


@pytest.mark.slow
def test_the_document_is_up_to_date_with_what_its_command_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["src/models.py", "--out", str(tmp_path / "docs" / "models.md")])
    monkeypatch.setattr(command, "run", lambda job: job())  # without its hold on the process's warnings
    models.main()
    written = (tmp_path / "docs" / "models.md").read_text(encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == written, "write it anew: make models"


def test_published_numbers_belong_to_experiments() -> None:
    assert published().keys() <= set(config_names("experiment"))


@pytest.mark.parametrize("experiment", config_names("experiment"))
def test_published_numbers_have_their_source_and_other_frames_their_rows(experiment: str) -> None:
    found = variants(experiment)
    assert all(e.source for e in found if e.published.top1 is not None)
    assert compose_experiment(experiment).data.num_frames in {e.published.frames for e in found}
    assert [e.cfg.data.num_frames for e in found] == [e.published.frames for e in found]


@pytest.mark.slow
def test_what_is_not_known_is_a_dash_and_what_was_not_run_says_so() -> None:
    (swin,) = variants("aim_swin_k400")
    assert row(swin, {})[-3:] == ["–", "–", "not run"]
    (video_swin,) = variants("video_swin_k400")
    assert row(video_swin, {})[-3:] == ["82.7", "Liu et al. 2022", "not run"]
    assert row(video_swin, {"video_swin_k400": 0.5})[-1] == "50.0"


def test_the_cost_command_counts_as_the_document_does(capsys: pytest.CaptureFixture[str]) -> None:
    print_cost(composed("experiment=moving_shapes_spatial", "name=x"))
    printed = capsys.readouterr().out
    cells = counted_cells(*variants("moving_shapes_spatial"))
    assert all(f"{cells[column]} GMACs" in printed for column in ("GMACs a view", "as run", "GMACs a video"))


def test_measured_scores_are_read_by_experiment(tmp_path: Path) -> None:
    path = tmp_path / "measured.csv"
    assert read_measured(path) == {}
    path.write_text("experiment,seconds,test_top1\nmoving_shapes,200,0.95\nrival,100,0.3\n")
    assert read_measured(path) == {"moving_shapes": 0.95, "rival": 0.3}
    path.write_text("experiment,test_top1\nmoving_shapes,95.0\n")
    with pytest.raises(ValueError, match=r"moving_shapes.: 95.0\}, expected fractions"):
        read_measured(path)


def test_numbers_stand_to_the_right() -> None:
    text = table(["name", "count"], [["a", "1.5"], ["b", "–"]])
    assert text == "| name | count |\n| --- | --: |\n| a | 1.5 |\n| b | – |"
