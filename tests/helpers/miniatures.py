"""Data sets in miniature, laid out and named as their publishers distribute them."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
from PIL import Image

from helpers.tool_exports import (
    write_createml,
    write_cvat,
    write_label_studio,
    write_label_studio_csv,
    write_label_studio_timeline,
    write_via,
)
from helpers.videos import numbered_frames, write_video


def write_diving48(root: Path) -> Path:
    """Diving-48 V2: a name that begins with '-', a dive that starts late, two json files and the vocabulary."""
    dives = [["Back", "15som", "05Twis", "FREE"], ["Forward", "25som", "NoTwis", "PIKE"]]
    (root / "rgb").mkdir(parents=True)
    (root / "Diving48_vocab.json").write_text(json.dumps(dives))
    for split, count in (("train", 4), ("test", 3)):
        entries = []
        for i in range(count):
            name = f"-{split}q0PT-u8k_{i:05d}"
            write_video(root / "rgb" / f"{name}.mp4", numbered_frames(12))
            entries.append({"vid_name": name, "label": i % 2, "start_frame": 2 * i, "end_frame": 12})
        (root / f"Diving48_V2_{split}.json").write_text(json.dumps(entries))
    return root


KINETICS = ("abseiling", "playing badminton", "tying knot (not on a tie)")


def write_kinetics(root: Path, layout: str = "flat", val: str = "val") -> Path:
    """Kinetics: the csv files, and clips `flat` in the split's folder or in class folders with `spaces` or
    `underscores`; one of the training clips is gone from the net."""
    (root / "annotations").mkdir(parents=True)
    for split, count in (("train", 7), (val, 4), ("test", 1)):
        rows = [(KINETICS[i % 3], f"-{split[0]}{i}_Abc-DE{i}", 10 * i, 10 * i + 10, split) for i in range(count)]
        columns = ["label", "youtube_id", "time_start", "time_end", "split"]
        with (root / "annotations" / f"{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns[split == "test" :])
            writer.writerows(row[split == "test" :] for row in rows)
        for label, name, start, end, _ in rows[split == "train" :]:
            inner = {"flat": "", "spaces": label, "underscores": label.replace(" ", "_")}[layout]
            folder = root / split / inner
            folder.mkdir(parents=True, exist_ok=True)
            write_video(folder / f"{name}_{start:06d}_{end:06d}.mp4", numbered_frames(9))
    return root


def write_ucf101(root: Path) -> Path:
    """UCF101: avi files in class folders, lists of three splits, classes counted from 1, test lists without label."""
    names, lists = ("ApplyEyeMakeup", "YoYo"), root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("".join(f"{i} {name}\r\n" for i, name in enumerate(names, 1)))
    for fold in (1, 2, 3):
        lines: dict[str, list[str]] = {"train": [], "test": []}
        for label, name in enumerate(names, 1):
            (root / "UCF-101" / name).mkdir(parents=True, exist_ok=True)
            for group in range(4):
                path = f"{name}/v_{name}_g{group + 1:02d}_c01.avi"
                if fold == 1:
                    write_video(root / "UCF-101" / path, numbered_frames(9), "mpeg4", {"qscale": "3"})
                testing = group + 1 == fold
                lines["test" if testing else "train"].append(path if testing else f"{path} {label}")
        for split, content in lines.items():
            (lists / f"{split}list{fold:02d}.txt").write_text("".join(f"{line}\r\n" for line in content))
    return root


def write_hmdb51(root: Path) -> Path:
    """HMDB51: odd characters in names, one list per class and split, 1 for training, 2 for test, 0 for neither."""
    splits = root / "testTrainMulti_7030_splits"
    splits.mkdir(parents=True)
    for name in ("brush_hair", "wave"):
        (root / "hmdb51_org" / name).mkdir(parents=True)
        files = [f"#20_{name} (a&b)[1]_u_nm_np1_{i}.avi" for i in range(5)]
        for file in files:
            write_video(root / "hmdb51_org" / name / file, numbered_frames(9), "mpeg4", {"qscale": "3"})
        for fold in (1, 2, 3):
            uses = ["1", "1", "2", "0", "1"]
            shifted = uses[fold:] + uses[:fold]
            text = "".join(f"{file} {use} \n" for file, use in zip(files, shifted, strict=True))
            (splits / f"{name}_test_split{fold}.txt").write_text(text)
    return root


def write_frame_folders(root: Path, offset: bool = False) -> Path:
    """Lists of frame folders, `path frames label` or `path offset frames label`, and a space in a path."""
    root.mkdir(parents=True)
    for split, count in (("train", 4), ("val", 2)):
        lines = []
        for i in range(count):
            folder = root / "frames" / f"{split} {i}"
            folder.mkdir(parents=True)
            for number, frame in enumerate(numbered_frames(10), 1):
                Image.fromarray(frame).save(folder / f"img_{number:05d}.png")
            lines.append(f"frames/{split} {i} 2 7 {i % 2}" if offset else f"frames/{split} {i} 10 {i % 2}")
        (root / f"{split}.txt").write_text("".join(f"{line}\n" for line in lines))
    return root


def write_table(root: Path) -> Path:
    """A csv file with a header: classes by name, people, no split."""
    root.mkdir(parents=True)
    with (root / "videos.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "action", "person"])
        for i in range(8):
            write_video(root / f"clip, {i}.mp4", numbered_frames(9))
            writer.writerow([f"clip, {i}.mp4", ("wave", "clap")[i % 2], f"person {i // 2}"])
    return root


def write_class_folders(root: Path) -> Path:
    """Class folders without splits."""
    for name in ("clap", "wave"):
        (root / name).mkdir(parents=True)
        for i in range(4):
            write_video(root / name / f"ü {i}.mp4", numbered_frames(9))
    return root


MINIATURES: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "diving48": (write_diving48, ["data=diving48", "data.num_classes=2"]),
    "k400": (write_kinetics, ["data=k400", "data.num_classes=3"]),
    "k700": (write_kinetics, ["data=k700", "data.num_classes=3"]),
    "ucf101": (write_ucf101, ["data=ucf101", "data.num_classes=2"]),
    "hmdb51": (write_hmdb51, ["data=hmdb51", "data.num_classes=2", "data.annotations.fold=2"]),
    "frame folders": (
        write_frame_folders,
        ["data=list", "data.annotations.columns=path frames label"],
    ),
    "csv": (write_table, ["data=csv", "data.annotations.group=person"]),
    "class folders": (write_class_folders, ["data=folders"]),
    "label studio": (write_label_studio, ["data=label_studio"]),
    "label studio timeline": (write_label_studio_timeline, ["data=label_studio", "data.annotations.frame_rate=24"]),
    "label studio csv": (write_label_studio_csv, ["data=label_studio", "data.annotations.file=export.csv"]),
    "cvat": (write_cvat, ["data=cvat"]),
    "createml": (write_createml, ["data=createml"]),
    "via": (write_via, ["data=via"]),
}
"""How each is written, and what is said on the command line beside data.root."""


def count_frames(path: Path) -> int:
    """Frames of a video file, decoded."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def without(root: Path, name: str) -> Path:
    """The same miniature with a file or folder gone."""
    path = root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return root
