import json
import logging
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from video_adapters.catalogue.experiments import print_cost
from video_adapters.commands.errors import UserError, explained
from video_adapters.data.from_config import build_data, with_classes_counted
from video_adapters.training import sweep

from helpers.toy import composed


def class_folders(root: Path, *files: str) -> str:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return str(root)


@pytest.fixture
def three(tmp_path: Path) -> str:
    """Class folders of three classes -> their root."""
    return class_folders(tmp_path, *(f"train/{name}/1.mp4" for name in "abc"), "val/a/2.mp4")


def test_a_key_that_a_data_set_has_not_ends_in_a_sentence_where_classes_are_counted_too(three: str) -> None:
    cfg = composed("data=csv", f"data.root={three}", "+data.annotations.path=a")
    with pytest.raises(UserError, match=r"does not fit: VideoTable.* unexpected keyword argument 'path'"), explained():
        with_classes_counted(cfg)


def test_classes_are_counted_in_folders_tables_and_lists(three: str) -> None:
    rows = "path,label\ntrain/a/1.mp4,0\nval/a/2.mp4,0\ntrain/b/1.mp4,3\n"
    (Path(three) / "videos.csv").write_text(rows)
    (Path(three) / "train.txt").write_text("train/a/1.mp4 1\n")
    (Path(three) / "val.txt").write_text("val/a/2.mp4 4\n")
    counts = {
        data: with_classes_counted(composed(f"data={data}", f"data.root={three}"))
        for data in ("folders", "csv", "list")
    }
    assert {data: cfg.data.num_classes for data, cfg in counts.items()} == {"folders": 3, "csv": 4, "list": 5}


def test_a_config_file_may_name_a_root_below_the_home(three: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path(three).parent))
    cfg = composed("data=folders", f"data.root='~/{Path(three).name}'")
    assert build_data(with_classes_counted(cfg)).root == three


def test_a_number_that_is_given_stays_and_is_compared(three: str) -> None:
    cfg = composed("data=folders", f"data.root={three}", "data.num_classes=5")
    assert with_classes_counted(cfg).data.num_classes == 5
    with pytest.raises(ValueError, match=r"data\.num_classes is 5, but ClassFolders in .* has 3 classes"):
        build_data(cfg).videos("train")


def test_costs_need_the_number_or_the_videos(three: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"give data\.root=FOLDER or data\.num_classes=N"):
        print_cost(composed("data=folders", "model=toy_vit", "data.image_size=32", "name=toy"))
    for own in ("data.num_classes=7", f"data.root={three}"):
        print_cost(composed("data=folders", "model=toy_vit", "data.image_size=32", "name=toy", own))
    out = capsys.readouterr().out
    assert "7 classes" in out
    assert "3 classes" in out


def test_a_finished_job_of_a_sweep_is_known_again_though_its_classes_were_counted(three: str, tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    cfg = composed("data=folders", f"data.root={three}", f"run_dir={job}", "name=toy")
    OmegaConf.save(with_classes_counted(cfg), job / "config.yaml", resolve=True)
    (job / "run.json").write_text(json.dumps({"finished": "today", "scores": {"val/top1": 0.5}, "overrides": []}))
    assert sweep._job(cfg, [], job) == {"val/top1": 0.5}


def test_a_class_without_training_videos_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = class_folders(tmp_path, "train/a/1.mp4", "train/b/notes.txt", "train/c/1.mp4")
    (tmp_path / "train" / "new folder").mkdir()
    cfg = with_classes_counted(composed("data=folders", f"data.root={root}"))
    with caplog.at_level(logging.WARNING):
        build_data(cfg).videos("train")
    assert "train: 2 of 4 classes have no video there, and are not learned: 'b', 'new folder'" in caplog.text
