import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from video_adapters.data.clips.sample import Segments
from video_adapters.data.shapes import motions, moving_shapes
from video_adapters.data.shapes.motions import LENGTH, MOTIONS, draw_video
from video_adapters.data.shapes.moving_shapes import CLASS_NAMES, MovingShapes
from video_adapters.data.video.decode import VideoReader

SMALL = {"num_train": 24, "num_val": 12, "num_test": 48}
SMALL_SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> MovingShapes:
    data = MovingShapes(str(tmp_path_factory.mktemp("shapes")), **SMALL)
    data.prepare()
    return data


@pytest.fixture(scope="module")
def decoded(small: MovingShapes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Split -> (M, LENGTH, H, W, 3) and labels."""
    return {split: (read_all(small, split), small.videos(split).labels) for split in SMALL_SPLITS}


def read_all(data: MovingShapes, split: str) -> np.ndarray:
    return np.stack([read(video.path) for video in data.videos(split)])


def read(path: str) -> np.ndarray:
    with VideoReader(path) as reader:
        assert reader.num_frames == LENGTH
        return reader.read(range(LENGTH))


@pytest.mark.parametrize("split", ["val", "test"])
def test_every_video_has_a_twin_that_decodes_to_its_frames_reversed(decoded, split: str) -> None:
    frames, labels = decoded[split]
    for label in range(0, len(CLASS_NAMES), 2):
        np.testing.assert_array_equal(frames[labels == label], frames[labels == label + 1][:, ::-1])


def test_the_frames_of_a_test_clip_are_the_same_set_in_both_directions() -> None:
    (indices,) = Segments(num_frames=8).test(LENGTH, num_clips=1)
    assert sorted(LENGTH - 1 - i for i in indices) == sorted(indices)


@pytest.mark.parametrize("summary", ["sum", "sorted pixels", "histogram"])
def test_a_model_blind_to_order_gets_at_most_half_of_the_test_videos_right(decoded, summary: str) -> None:
    order_blind = {
        "sum": lambda v: v.sum(1, dtype=np.int64).reshape(len(v), -1),
        "sorted pixels": lambda v: np.sort(v, axis=1)[:, ::4].reshape(len(v), -1),
        "histogram": lambda v: np.stack([np.bincount(x.ravel() // 8, minlength=32) for x in v]),
    }[summary]
    # Even when fitted on the test videos themselves: twins look the same to it, so it gives both the same class.
    frames, labels = decoded["test"]
    features = order_blind(frames).astype(np.float64)
    one_hot = np.eye(len(CLASS_NAMES))[labels]
    # Pixels outnumber videos: the least-squares fit in its dual form.
    gram = features @ features.T
    scores = gram @ np.linalg.solve(gram + 1e-6 * np.trace(gram) * np.eye(len(gram)), one_hot)
    assert (scores.argmax(1) == labels).mean() <= 0.5


def test_the_frames_in_their_order_do_tell_the_classes_of_a_pair_apart(decoded) -> None:
    frames, labels = decoded["test"]
    change = frames[:, -1].astype(int) - frames[:, 0]
    assert (change[labels % 2 == 0] == -change[labels % 2 == 1]).all()
    assert (abs(change).reshape(len(change), -1).max(1) > 50).all()


def test_every_class_has_as_many_videos(small: MovingShapes) -> None:
    for split, count in zip(SMALL_SPLITS, SMALL.values(), strict=True):
        assert np.bincount(small.videos(split).labels).tolist() == [count // len(CLASS_NAMES)] * len(CLASS_NAMES)


def test_no_two_videos_of_a_class_are_alike(decoded) -> None:
    for frames, labels in decoded.values():
        for label in range(len(CLASS_NAMES)):
            of_class = [video.tobytes() for video in frames[labels == label]]
            assert len(set(of_class)) == len(of_class)


@pytest.mark.parametrize("split", SMALL_SPLITS)
def test_every_file_shows_the_motion_of_its_class_off_by_less_than_one_grey_level(decoded, split: str) -> None:
    for label in range(len(CLASS_NAMES)):
        key = (0, SMALL_SPLITS.index(split), 0, label if split == "train" else label // 2)  # seed, split, number, which
        drawn = draw_video(np.random.default_rng(key), label // 2, 40)
        frames, labels = decoded[split]
        coded = frames[labels == label][0].astype(int)
        assert abs(coded - (drawn[::-1] if label % 2 else drawn)).mean() < 1


@pytest.mark.parametrize(
    ("name", "what", "sign"),
    [
        ("moving right", "x", 1),
        ("moving down", "y", 1),
        ("growing", "size", 1),
        ("turning clockwise", "angle", 1),
        ("approaching", "apart", -1),
        ("appearing", "opacity", 1),
    ],
)
def test_a_motion_changes_what_its_name_says_and_nothing_else(name: str, what: str, sign: int) -> None:
    for seed in range(20):
        subject = MOTIONS[CLASS_NAMES.index(name) // 2](np.random.default_rng(seed))._asdict()
        assert (sign * np.diff(subject.pop(what)) > 0).all()
        assert all((np.diff(values) == 0).all() for values in subject.values())


def test_the_same_settings_render_the_same_videos(small: MovingShapes, tmp_path: Path) -> None:
    again = MovingShapes(str(tmp_path), **SMALL)
    again.prepare()
    np.testing.assert_array_equal(read_all(again, "val"), read_all(small, "val"))


def test_things_turn_by_less_than_half_a_turn() -> None:
    turn = MOTIONS[CLASS_NAMES.index("turning clockwise") // 2]
    for seed in range(50):
        angle = turn(np.random.default_rng(seed)).angle
        assert (np.diff(angle) > 0).all()
        assert angle[-1] - angle[0] < np.pi


def test_noise_shakes_flickers_and_leaves_the_drawing_recognisable() -> None:
    for motion in range(len(MOTIONS)):
        clean, noisy = (draw_video(np.random.default_rng([3, motion]), motion, 40, noisy) for noisy in (False, True))
        grey = noisy.mean((1, 2, 3))
        assert 0.02 < np.std(grey / clean.mean((1, 2, 3))) < 0.25  # exposure: 8 %
        assert 8 < np.std(np.diff(noisy[..., 0].astype(float), axis=2)) / np.sqrt(2) < 40  # noise: 15 levels, and edges
        around = [np.roll(clean, (y, x), (1, 2)) for y in range(-2, 3) for x in range(-2, 3)]
        for number in range(LENGTH):  # at most two pixels away, it is the same picture
            ratios = [np.corrcoef(shifted[number].ravel(), noisy[number].ravel())[0, 1] for shifted in around]
            assert max(ratios) > 0.5


@pytest.mark.parametrize("level", [{"noisy": True}, {"crowd": 2}])
def test_videos_of_another_level_are_another_set_reversed_all_the_same(tmp_path: Path, level: dict[str, Any]) -> None:
    counts = {"num_train": 12, "num_val": 12, "num_test": 12}
    data = MovingShapes(str(tmp_path), **counts, **level)
    assert data.folder.name != MovingShapes(str(tmp_path), **counts).folder.name
    data.prepare()
    forwards, backwards = (str(data.folder / "val" / name / "0000.mp4") for name in CLASS_NAMES[:2])
    np.testing.assert_array_equal(read(forwards), read(backwards)[::-1])


def coloured(frames: np.ndarray, channel: int) -> dict[str, np.ndarray]:
    """Where red (channel 0) or blue (2) is in each frame, and how much of it there is: (T,) each.

    By what a channel exceeds both others: that of textures and grey things does by less than 40 grey levels.
    """
    excess = frames[..., channel] - np.delete(frames, channel, 3).max(3).astype(float)
    excess = np.maximum(excess - 40, 0)
    total, pixel = excess.sum((1, 2)), np.arange(excess.shape[1]) / excess.shape[1]
    x, y = ((excess.sum(axis) * pixel).sum(1) / np.maximum(total, 1) for axis in (1, 2))
    return {"x": x, "y": y, "sum": total}


@pytest.mark.parametrize(
    ("name", "what", "least"),
    [("moving right", "x", 0.3), ("moving down", "y", 0.3), ("growing", "sum", 0), ("appearing", "sum", 0)],
)
def test_in_a_crowd_the_red_thing_moves_as_the_class_says_and_the_blue_ones_otherwise(
    name: str, what: str, least: float
) -> None:
    motion = CLASS_NAMES.index(name) // 2
    videos = [draw_video(np.random.default_rng([5, number]), motion, 40, crowd=2) for number in range(12)]
    red, blue = ([coloured(video, channel)[what][[1, -2]] for video in videos] for channel in (0, 2))
    assert all(last - first > least for first, last in red)
    assert {last > first for first, last in blue} == {True, False}


def test_what_the_others_do_has_the_same_law_in_reverse_and_says_nothing_of_the_class() -> None:
    done = [motions._any_motion(np.random.default_rng(seed))._asdict() for seed in range(600)]
    changed = [(name, np.sign(v[-1] - v[0])) for subject in done for name, v in subject.items() if v[0] != v[-1]]
    assert len(changed) == 600
    counts = Counter(changed)
    assert len(counts) == len(CLASS_NAMES)
    assert 25 <= min(counts.values()) <= max(counts.values()) <= 80  # 50 each, spread 7


def test_the_same_draws_give_the_same_crowd() -> None:
    for motion in range(len(MOTIONS)):
        one, other = (draw_video(np.random.default_rng(3), motion, 40, crowd=2) for _ in range(2))
        np.testing.assert_array_equal(one, other)


def test_a_negative_crowd_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a crowd of -1 .* 0 or more"):
        MovingShapes(str(tmp_path), crowd=-1)


def test_rendering_says_one_line_and_draws_no_bar_where_nobody_watches(tmp_path: Path, capfd, caplog) -> None:
    with caplog.at_level(logging.INFO):
        MovingShapes(str(tmp_path), num_train=12, num_val=12, num_test=12).prepare()
    assert len(caplog.records) == 1
    assert capfd.readouterr().out == ""


def test_what_is_rendered_is_not_rendered_again(small: MovingShapes, caplog) -> None:
    with caplog.at_level(logging.INFO):
        small.prepare()
    assert not caplog.records


def test_an_interrupted_rendering_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = MovingShapes(str(tmp_path), num_train=12, num_val=12, num_test=12)
    written = []

    def interrupted(path: Path, frames: np.ndarray, quantiser: int) -> None:
        if len(written) == 20:
            raise KeyboardInterrupt
        path.write_bytes(b"")
        written.append(path)

    with monkeypatch.context() as patch:
        patch.setattr(moving_shapes, "write_video", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.prepare()
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]  # what was written takes no room
    with pytest.raises(ValueError, match="prepare"):
        data.videos("train")
    data.prepare()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [data.folder.name]
    read_all(data, "train")


RENDER = """
import logging, sys, time
from pathlib import Path
from video_adapters.data.shapes import motions, moving_shapes
logging.basicConfig(level=logging.INFO)
if sys.argv[2] == "hang":
    def hang(path, frames, quantiser):
        path.write_bytes(b"")
        time.sleep(600)
    moving_shapes.write_video = hang
moving_shapes.MovingShapes(sys.argv[1], num_train=12, num_val=12, num_test=12).prepare()
"""


def render_elsewhere(root: Path, how: str) -> subprocess.Popen[str]:
    src = str(Path(moving_shapes.__file__).parents[3])
    command = [sys.executable, "-c", RENDER, str(root), how]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": src}, stderr=subprocess.PIPE, text=True)


def test_of_two_processes_one_renders_and_both_find_it_done(tmp_path: Path) -> None:
    processes = [render_elsewhere(tmp_path, "well") for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("rendering 36 videos" in text for text in said) == 1
    data = MovingShapes(str(tmp_path), num_train=12, num_val=12, num_test=12)
    assert len(read_all(data, "test")) == 12


def test_a_killed_process_leaves_nothing_that_is_used_and_holds_nobody_up(tmp_path: Path) -> None:
    data = MovingShapes(str(tmp_path), num_train=12, num_val=12, num_test=12)
    process = render_elsewhere(tmp_path, "hang")
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.mp4")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert list(tmp_path.rglob("*.mp4")), "the process was to be killed in the middle of rendering"
    with pytest.raises(ValueError, match="prepare"):
        data.videos("train")
    data.prepare()
    read_all(data, "train")


def test_videos_of_other_settings_are_never_taken_for_these(tmp_path: Path) -> None:
    counts = {"num_train": 12, "num_val": 12, "num_test": 12}
    MovingShapes(str(tmp_path), **counts).prepare()
    for changed in ({"image_size": 32}, {"seed": 1}, {"num_train": 24}):
        with pytest.raises(ValueError, match="prepare"):
            MovingShapes(str(tmp_path), **{**counts, **changed}).videos("train")


def test_videos_of_an_older_version_are_never_taken_for_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"num_train": 12, "num_val": 12, "num_test": 12}
    MovingShapes(str(tmp_path), **counts).prepare()
    monkeypatch.setattr(moving_shapes, "VERSION", moving_shapes.VERSION + 1)
    with pytest.raises(ValueError, match="prepare"):
        MovingShapes(str(tmp_path), **counts).videos("train")


@pytest.mark.parametrize(
    "damage", ["a video gone", *(pytest.param(one, marks=pytest.mark.slow) for one in ("no stamp", "another stamp"))]
)
def test_a_damaged_folder_is_refused_and_rendered_again(tmp_path: Path, damage: str) -> None:
    data = MovingShapes(str(tmp_path), num_train=12, num_val=12, num_test=12)
    data.prepare()
    if damage == "a video gone":
        Path(data.videos("val")[3].path).unlink()
    elif damage == "no stamp":
        (data.folder / "settings.json").unlink()
    else:
        (data.folder / "settings.json").write_text("{}")
    with pytest.raises(ValueError, match="prepare"):
        data.videos("val")
    data.prepare()
    assert len(read_all(data, "val")) == 12


def test_counts_that_leave_classes_uneven_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"num_val=100 .* multiple of 12"):
        MovingShapes(str(tmp_path), num_val=100)
    with pytest.raises(ValueError, match="num_train=0"):
        MovingShapes(str(tmp_path), num_train=0)


def test_an_unknown_split_is_refused_with_the_known_ones(small: MovingShapes) -> None:
    with pytest.raises(ValueError, match="'training', only train, val, test"):
        small.videos("training")


def test_pairs_have_two_classes_each_as_often_as_any_other_and_are_played_backwards_too(tmp_path: Path) -> None:
    pairs = MovingShapes(str(tmp_path), num_train=132, num_val=24, num_test=24, image_size=24, pairs=True)
    pairs.prepare()
    assert pairs.label_sets is not None
    for split, count in pairs.counts.items():
        shown = pairs.label_sets[pairs.videos(split).labels]
        assert (shown.sum(1) == 2).all()
        assert (shown.sum(0) == 2 * count // 12).all()
    forwards, backwards = pairs.videos("val")[0], pairs.videos("val")[1]
    frames = [read(video.path) for video in (forwards, backwards)]
    np.testing.assert_array_equal(frames[0], frames[1][::-1])
    assert (pairs.label_sets[forwards.label] == pairs.label_sets[backwards.label].reshape(6, 2)[:, ::-1].ravel()).all()


def test_an_imbalance_is_of_training_alone() -> None:
    shapes = MovingShapes("nowhere", imbalance=50)
    assert shapes.folder == MovingShapes("nowhere").folder
    counts = [shapes._num_of(label, "train") for label in range(12)]
    assert (counts[0], counts[-1]) == (120, 2)
    assert counts == sorted(counts, reverse=True)
    assert {shapes._num_of(label, "val") for label in range(12)} == {20}
