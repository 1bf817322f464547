"""Tables and figures of hand-written run folders."""

import os
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("agg")


from video_adapters.analysis.questions.curves import plot_curves, plot_throughput
from video_adapters.analysis.runs.folder import read_metrics, read_runs, runs_folder
from video_adapters.analysis.runs.labels import labels
from video_adapters.analysis.tables import overview

from helpers.written_runs import METRICS, write_confusion, write_run


def test_rows_of_a_step_become_one(tmp_path: Path) -> None:
    metrics = read_metrics(write_run(tmp_path / "run"))
    assert list(metrics.index) == [0, 1, 2, 3, 5, 6]
    assert metrics.loc[1, "train/loss"] == 1.5
    assert metrics.loc[1, "val/top1"] == 0.25
    assert pd.isna(metrics.loc[0, "val/top1"])


def test_a_row_tells_scores_speed_and_origin_of_a_run(tmp_path: Path) -> None:
    write_run(tmp_path / "2026" / "run")
    (run,) = read_runs(tmp_path).to_dict("records")
    assert run["path"] == str(tmp_path / "2026" / "run")
    assert (run["name"], run["git_commit"], run["overrides"]) == ("shapes", "1b01ff7+", "seed=0 adapter.ratio=0.25")
    assert (run["best_val_top1"], run["best_epoch"]) == (0.75, 2)  # of three epochs the first with 0.75
    assert (run["test/top1"], run["steps"], run["finished"]) == (0.7, 6, True)
    assert (run["clips_per_s"], run["data_wait"], run["peak_memory_gib"]) == (20.0, 0.3, 2.0)
    assert run["started"] == pd.Timestamp("2026-01-01 12:00", tz="UTC")
    written = pd.Timestamp((tmp_path / "2026" / "run" / "metrics.csv").stat().st_mtime, unit="s", tz="UTC")
    assert abs(run["started"] + run["wall_time"] - written) < pd.Timedelta("1s")


def test_runs_of_several_classes_a_video_are_judged_by_map(tmp_path: Path) -> None:
    write_run(tmp_path / "worse", metrics=METRICS.replace("top1", "mAP").replace("0.75", "0.5"), name="worse")
    write_run(tmp_path / "better", metrics=METRICS.replace("top1", "mAP"), name="better")
    runs = read_runs(tmp_path)
    assert runs["best_val_mAP"].tolist() == [0.5, 0.75]
    assert runs["best_val_top1"].isna().all()
    assert runs["best_epoch"].tolist() == [2, 2]
    assert runs["finished"].all()
    table = overview(runs)
    assert table["mAP, validation (%)"].tolist() == ["75.0", "50.0"]
    assert table["mAP, test (%)"].tolist() == ["70.0", "70.0"]
    judged = plot_curves(runs).axes[1]
    assert judged.get_ylabel() == "mAP (%)"
    assert [line.get_ydata().tolist() for line in judged.lines] == [[0.25, 0.75, 0.75], [0.25, 0.5, 0.5]]


def test_the_best_epoch_is_the_one_that_the_checkpoint_is_of(tmp_path: Path) -> None:
    figures = {"step": [1, 2, 3], "epoch": [0, 1, 2], "val/top1": [0.9, 0.5, 0.4], "val/mean_class": [0.2, 0.6, 0.5]}
    best_by = {"best_by.one": "mean_class", "best_by.multi": "mAP"}
    write_run(tmp_path / "run", metrics=pd.DataFrame(figures).to_csv(index=False), **best_by)
    (run,) = read_runs(tmp_path).to_dict("records")
    assert (run["best_val_top1"], run["best_epoch"]) == (0.5, 2)


def test_the_score_of_a_start_is_of_no_epoch(tmp_path: Path) -> None:
    header, *rows = METRICS.splitlines(keepends=True)
    write_run(tmp_path / "run", metrics="".join([header, "0,,,,,,0.9,\n", *rows[1:]]))
    (run,) = read_runs(tmp_path).to_dict("records")
    assert (run["best_val_top1"], run["best_epoch"]) == (0.9, 0)


def test_memory_of_a_run_that_trained_no_step_is_what_it_noted(tmp_path: Path) -> None:
    write_run(tmp_path / "run", metrics="step,val/top1,test/top1\n0,0.5,\n0,,0.4\n", record={"peak_memory_gib": 1.5})
    (run,) = read_runs(tmp_path).to_dict("records")
    assert run["peak_memory_gib"] == 1.5


def test_of_several_tests_the_last_counts(tmp_path: Path) -> None:
    write_run(tmp_path / "run", metrics=METRICS + "8,3,,,,,,0.5\n")
    (run,) = read_runs(tmp_path).to_dict("records")
    assert run["test/top1"] == 0.5


def test_the_config_is_flat_without_paths_of_the_run(tmp_path: Path) -> None:
    write_run(tmp_path / "run", adapter__temporal=[0, 2])
    (run,) = read_runs(tmp_path).to_dict("records")
    assert run["config.adapter.ratio"] == 0.25
    assert run["config.adapter.temporal"] == "[0, 2]"
    assert run["config.model.weights"] is None
    assert not [key for key in run if key.startswith("config.callbacks")]


def test_runs_that_go_on_or_have_just_begun_are_not_finished(tmp_path: Path) -> None:
    header, *rows = METRICS.splitlines(keepends=True)
    write_run(tmp_path / "begun", metrics=None)
    write_run(tmp_path / "going", metrics=header + "".join(rows[:4]))
    write_run(tmp_path / "untested", metrics=header + "".join(rows[:-1]), test=False)
    runs = read_runs(tmp_path).set_index("path").rename(index=lambda path: Path(path).name)
    assert runs["finished"].to_dict() == {"begun": False, "going": False, "untested": True}
    assert runs["steps"].to_dict() == {"begun": 0, "going": 3, "untested": 6}
    assert pd.isna(runs["best_val_top1"]["begun"])
    assert pd.isna(runs["wall_time"]["begun"])


def test_a_run_that_notes_its_end_is_finished_however_early_it_stopped(tmp_path: Path) -> None:
    header, *rows = METRICS.splitlines(keepends=True)
    stopped = header + "".join(rows[:6])  # 2 of 3 epochs, and no test asked for
    write_run(tmp_path / "stopped", metrics=stopped, finished="2026-01-01T12:30:00+00:00", test=False)
    write_run(tmp_path / "going", metrics=stopped, test=False)
    runs = read_runs(tmp_path)
    assert list(runs["finished"]) == [True, False]
    assert runs["wall_time"][0] == pd.Timedelta("30min")  # by the note, not by the files, which may have been copied


def test_what_the_record_nests_becomes_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "run", record={"choices": {"adapter": "aim", "data": "ssv2"}, "parameters": 7})
    (run,) = read_runs(tmp_path).to_dict("records")
    assert (run["choices.adapter"], run["choices.data"], run["parameters"]) == ("aim", "ssv2", 7)


def test_a_tested_run_tells_how_many_videos_went_to_the_right_pair(tmp_path: Path) -> None:
    counts = np.zeros((12, 12), int)
    counts[0, 0], counts[0, 1], counts[0, 2] = 5, 3, 2  # right, reversed, elsewhere
    write_confusion(write_run(tmp_path / "a"), counts, unread=[0, 10, *[0] * 10])
    write_confusion(write_run(tmp_path / "b"), np.eye(2, dtype=int), names=("push", "pull"))
    write_run(tmp_path / "c")
    pair = read_runs(tmp_path)["test/pair"]
    assert pair[0] == (5 + 3) / 20
    assert pair[1:].isna().all()  # of other classes nobody knows the reversals


def test_other_folders_are_no_runs(tmp_path: Path) -> None:
    run = write_run(tmp_path / "sweeps" / "ratio" / "0_ratio-0.5")
    for other in (run / "wandb" / "files", tmp_path / "evaluations" / "today"):
        other.mkdir(parents=True)
        (other / "config.yaml").write_text("lr: {value: 1}")
    (run / "wandb" / "files" / "run.json").write_text("{}")
    assert list(read_runs(tmp_path)["path"]) == [str(run)]


def test_a_folder_without_runs_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused" / "train.log").touch()
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ValueError, match=f"no run in {folder}: looked for folders .* run.json"):
            read_runs(folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", '{"wandb_id": "1a'),
        ("run.json", "[]"),
        ("run.json", "{}"),
        ("config.yaml", None),
        ("config.yaml", ""),
        ("config.yaml", "data: {num_frames: 8"),
        ("metrics.csv", ""),
        ("metrics.csv", "nothing,of,this\n1,2,3\n"),
        ("metrics.csv", "step,epoch\n0,zero\n"),
        ("metrics.csv", "step,epoch,val/top1\n0,inf,0.5\n"),
        ("test/confusion.csv", "shown,a,(unread)\nunnumbered,1,0\n"),
        ("run.json", f'{{"started": "{"x" * 2**20}"}}'),
    ],
)
def test_a_broken_run_is_warned_of_and_the_others_are_read(tmp_path: Path, file: str, content: str | None) -> None:
    write_run(tmp_path / "sound")
    broken = write_run(tmp_path / "broken")
    (broken / "test").mkdir()
    (broken / file).unlink(missing_ok=True)
    if content is not None:
        (broken / file).write_text(content)
    with pytest.warns(UserWarning, match=f"1 of 2 runs cannot be read:\n  {broken}: .") as caught:
        runs = read_runs(tmp_path)
    assert [Path(path).name for path in runs["path"]] == ["sound"]
    assert len(caught) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="without pipes nothing waits for one")
def test_a_record_that_never_ends_is_not_waited_for(tmp_path: Path) -> None:
    write_run(tmp_path / "sound")
    broken = write_run(tmp_path / "broken")
    (broken / "run.json").unlink()
    os.mkfifo(broken / "run.json")
    with pytest.warns(UserWarning, match="it is no file"):
        assert len(read_runs(tmp_path)) == 1


def test_a_record_says_nothing_in_place_of_what_was_read(tmp_path: Path) -> None:
    """Times without a zone, too, are sorted among the others."""
    run = write_run(tmp_path / "run")
    write_run(tmp_path / "other", record={"started": "2026-01-01T11:00", "path": "/elsewhere", "steps": "many"})
    runs = read_runs(tmp_path)
    assert list(runs["path"]) == [str(tmp_path / "other"), str(run)]
    assert list(runs["steps"]) == [6, 6]


def test_a_half_written_last_line_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    metrics = read_metrics(write_run(tmp_path / "run", metrics=METRICS + "7,3,2"))
    assert metrics.loc[7, "epoch"] == 3


def test_labels_are_what_the_configs_differ_in(tmp_path: Path) -> None:
    write_run(tmp_path / "a", adapter__ratio=0.125)
    write_run(tmp_path / "b", adapter__temporal=None)
    assert labels(read_runs(tmp_path)) == ["ratio=0.125 temporal=all", "ratio=0.25 temporal=null"]


def test_labels_name_the_experiment_where_there_are_several(tmp_path: Path) -> None:
    write_run(tmp_path / "a", name="k400", data__num_frames=16)  # as the experiment has it
    write_run(tmp_path / "b", seed=0)
    write_run(tmp_path / "c", seed=1)
    assert labels(read_runs(tmp_path)) == ["k400", "shapes seed=0", "shapes seed=1"]


def test_a_choice_of_adapter_stands_for_the_keys_that_follow_from_it(tmp_path: Path) -> None:
    for name, adapter, ratio in (("a", "aim", 0.25), ("b", "aim", 0.5), ("c", "none", 0.25)):
        sites = None if adapter == "none" else "all"
        record = {"choices": {"adapter": adapter, "data": "ssv2"}}
        write_run(tmp_path / name, record=record, adapter__ratio=ratio, adapter__temporal=sites)
    assert labels(read_runs(tmp_path)) == ["adapter=aim ratio=0.25", "adapter=aim ratio=0.5", "adapter=none"]


def test_runs_of_one_config_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    assert labels(read_runs(tmp_path)) == ["shapes (a)", "shapes (b)"]


def test_labels_stay_short_and_prefer_what_was_typed(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    other = {"adapter___target_": "video_adapters.model.adapters.lora.Lora", "adapter__temporal": None}
    write_run(tmp_path / "b", **other, data__num_frames=16, model__weights="b.pt", seed=1)
    assert labels(read_runs(tmp_path)) == [
        "seed=0 num_frames=8 weights=null adapter=Aim …",
        "seed=1 num_frames=16 weights=b.pt adapter=Lora …",
    ]


def test_the_overview_ranks_runs_by_validation(tmp_path: Path) -> None:
    write_run(tmp_path / "a", metrics=None, seed=0)
    write_run(tmp_path / "b", seed=1)
    write_run(tmp_path / "c", metrics=METRICS.replace("0.75", "0.80"), seed=2)
    table = overview(read_runs(tmp_path))
    assert list(table.index) == ["seed=2", "seed=1", "seed=0"]
    assert list(table["top-1, validation (%)"]) == ["80.0", "75.0", "–"]


def test_accuracies_of_an_overview_are_percent_with_the_interval_of_their_videos(tmp_path: Path) -> None:
    write_run(tmp_path / "a", record={"scores": {"test/top1": 0.5, "test/videos": 10.0}, "trainable_parameters": 26956})
    (row,) = overview(read_runs(tmp_path)).to_dict("records")
    assert row["top-1, test (%)"] == "50.0 (23.7 to 76.3)"
    assert row["time waiting for data (%)"] == "30"  # the median
    assert row["parameters that train (M)"] == "0.027"
    assert (row["best epoch"], row["steps"], row["finished"]) == ("2", "6", "yes")


def test_curves_show_loss_and_accuracy_at_their_steps(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=0)
    write_run(tmp_path / "b", metrics=None, seed=1)  # has nothing to show yet
    header, first, *_ = METRICS.splitlines(keepends=True)
    write_run(tmp_path / "c", metrics=header + first, seed=2)  # has not been validated yet
    figure = plot_curves(read_runs(tmp_path))
    loss, top1 = figure.axes
    assert loss.get_xlabel() == top1.get_xlabel() == "optimizer step"
    assert list(loss.lines[0].get_xdata()) == [1, 2, 3, 4, 6]
    assert list(top1.lines[0].get_xdata()) == [2, 4, 6]
    assert list(top1.lines[0].get_ydata()) == [0.25, 0.75, 0.75]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["seed=0", "seed=2", "chance, 4 classes"]


def test_of_many_runs_the_best_are_drawn(tmp_path: Path) -> None:
    for seed in range(12):
        write_run(tmp_path / str(seed), metrics=METRICS.replace("0.75", f"0.{75 + seed}"), seed=seed)
    figure = plot_curves(read_runs(tmp_path))
    assert "10 best of 12" in figure.get_suptitle()
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["seed=11", "seed=10"]


def test_throughput_has_a_bar_per_run(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=0)
    write_run(tmp_path / "b", metrics=METRICS.replace("20.0", "40.0"), seed=1)
    (axes,) = plot_throughput(read_runs(tmp_path)).axes
    assert sorted(bar.get_width() for bar in axes.patches) == [20, 40]
    assert any("30% waiting for data" in text.get_text() for text in axes.texts)


def test_a_run_before_its_first_validation_is_drawn(tmp_path: Path) -> None:
    write_run(tmp_path / "a", metrics="step,epoch,train/loss\n0,0,2.0\n")
    runs = read_runs(tmp_path)
    assert list(overview(runs)["steps"]) == ["1"]
    mean = plot_curves(runs).axes[0].lines[1]
    assert list(mean.get_ydata()) == [2.0]
    assert mean.get_marker() == "."  # a line through one point cannot be seen


def test_runs_without_figures_cannot_be_drawn(tmp_path: Path) -> None:
    write_run(tmp_path / "a", metrics=None)
    runs = read_runs(tmp_path)
    for plot in (plot_curves, plot_throughput):
        with pytest.raises(ValueError, match="none of 1 run has logged"):
            plot(runs)


def test_the_environment_says_where_runs_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_DIR", str(tmp_path / "logs"))
    monkeypatch.delenv("RUNS", raising=False)
    assert runs_folder() == tmp_path / "logs"
    monkeypatch.setenv("RUNS", str(tmp_path / "chosen"))
    assert runs_folder() == tmp_path / "chosen"
