"""The table of rivals is written from the file beside it."""

import csv
import signal
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import rivals
import trained
from helpers.toy import CONFIGS, WITH_SPEED, composed, run

PROJECT = CONFIGS.parent
BEGIN, END = "<!-- rivals: written by rivals.py -->", "<!-- rivals: end -->"

BLIND = rivals.Row(
    "moving_shapes_full_tuning", 0.475, 61.6, 99.5, 221260, 220000, 24859392, "CPU, 2 threads", "2026-01-31", "a" * 40
)
AIM = rivals.Row("moving_shapes", 0.95, 180.0, 100.0, 247564, 27212, 37000000, "CPU, 1 thread", "x", f"{40 * 'b'}+")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A table that is not there yet and a document with room for it."""
    document = tmp_path / "README.md"
    document.write_text(f"before\n\n{BEGIN}\nan older table\n{END}\n\nafter\n")
    return tmp_path / "table.csv", document


def test_every_rival_is_an_experiment_on_the_embedded_data() -> None:
    for name in rivals.EXPERIMENTS:
        assert "MovingShapes" in composed(f"experiment={name}").data.annotations._target_
    ablation = OmegaConf.load(CONFIGS / "hparams_search" / "ablation.yaml").hydra.sweeper.params.experiment.split(",")
    there = {path.stem for path in (CONFIGS / "experiment").glob("moving_shapes*.yaml")}
    there -= {"moving_shapes_probe", "moving_shapes_pairs"}  # which is not trained, and has other labels
    assert there == {*rivals.EXPERIMENTS, *ablation}


def test_the_table_replaces_the_one_before_and_nothing_else(files: tuple[Path, Path]) -> None:
    for _ in range(2):
        rivals.write([AIM, BLIND], *files)
        text = files[1].read_text()
        assert text.startswith(f"before\n\n{BEGIN}\n\n| experiment | test top-1 |")
        assert text.endswith(f"|\n\n{END}\n\nafter\n")
        assert "older" not in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `moving_shapes_full_tuning` | 47.5% | 0.221 | 0.220 | 0.025 | 1:02 min | 100 | CPU, 2 threads | 2026-01-31 "
        "| aaaaaaaa |",
        "| `moving_shapes` | 95.0% | 0.248 | 0.027 | 0.037 | 3:00 min | 100 | CPU, 1 thread | x | bbbbbbbb+ |",
    ]


def test_what_is_written_can_be_read_by_name_and_by_the_benchmark(files: tuple[Path, Path]) -> None:
    rivals.write([AIM, BLIND], *files)
    with files[0].open(newline="") as file:
        assert [
            (line["experiment"], float(line["test_top1"]), float(line["seconds"])) for line in csv.DictReader(file)
        ] == [
            ("moving_shapes_full_tuning", 0.475, 61.6),
            ("moving_shapes", 0.95, 180.0),
        ]
    assert rivals.read(files[0]) == {"moving_shapes_full_tuning": BLIND, "moving_shapes": AIM}


def test_a_document_without_room_for_the_table_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text(f"{END}{BEGIN}")
    with pytest.raises(ValueError, match=r"holds the markers .*, expected"):
        rivals.write([AIM], tmp_path / "table.csv", document)
    assert not (tmp_path / "table.csv").exists()


def test_a_row_is_made_of_what_a_run_leaves_in_its_folder(shapes: list[str], tmp_path: Path) -> None:
    scores = run(tmp_path, *shapes, "data.max_videos=8", WITH_SPEED)
    row = rivals.row_of("moving_shapes", tmp_path)
    assert row.test_top1 == pytest.approx(scores["test/top1"], abs=1e-4)
    assert row.seconds > 0
    assert row.clips_per_s > 0
    assert 0 < row.trainable_parameters < row.parameters
    assert row.macs > 0
    assert row.device.startswith("CPU")


@pytest.mark.parametrize(
    ("options", "commands"),
    [
        ([], ["experiment=moving_shapes"]),
        (["--again"], ["experiment=moving_shapes_full_tuning", "experiment=moving_shapes"]),
    ],
)
def test_rows_that_are_there_are_kept_unless_asked_for_again(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, options: list[str], commands: list[str]
) -> None:
    asked: list[str] = []
    rivals.write([BLIND], *files)
    for name, value in {
        "TABLE": files[0],
        "DOCUMENT": files[1],
        "train": lambda overrides, _: asked.extend(overrides),
    }.items():
        monkeypatch.setattr(rivals, name, value)
    monkeypatch.setattr(rivals, "row_of", lambda name, _: AIM._replace(experiment=name))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["rivals.py", "--only", "moving_shapes_full_tuning", "moving_shapes", *options])
    rivals.main()
    assert asked == commands
    rows = rivals.read(files[0])
    assert list(rows) == ["moving_shapes_full_tuning", "moving_shapes"]
    assert (rows["moving_shapes_full_tuning"] == BLIND) == (not options)


def test_a_run_that_fails_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trained, "PROJECT", tmp_path)  # where there is nothing to run
    with pytest.raises(SystemExit, match="moving_shapes ended with exit code 2; finished rows are kept"):
        trained.train(["experiment=moving_shapes"], tmp_path / "moving_shapes")


def test_the_table_that_is_there_is_the_files() -> None:
    assert rivals.markdown(rivals.read(rivals.TABLE).values()) in rivals.DOCUMENT.read_text()


def test_gmacs_a_view_are_those_of_the_table_of_models() -> None:
    table = [line.split(" | ") for line in (PROJECT / "docs" / "models.md").read_text().splitlines() if "|" in line]
    column = table[0].index("GMACs a view")
    counted = {cells[0].split("`")[1]: cells[column] for cells in table if "`moving_shapes" in cells[0]}
    for name, row in rivals.read(rivals.TABLE).items():
        assert f"{row.macs / 1e9:.3f}" == counted[name], name


def test_what_ignores_order_stays_below_half_and_the_others_reach_what_was_promised() -> None:
    scores = {name: row.test_top1 for name, row in rivals.read(rivals.TABLE).items()}
    assert scores.keys() == set(rivals.EXPERIMENTS)
    blind = {"moving_shapes_frozen", "moving_shapes_full_tuning"}
    assert max(scores[name] for name in blind) <= 0.5
    assert min(scores[name] for name in scores.keys() - blind) > 0.8
