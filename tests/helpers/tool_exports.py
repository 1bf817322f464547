"""Exports of labelling tools in miniature: each with its own form, names and oddities, and videos beside it."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.videos import numbered_frames, write_video

FRAMES = 30  # of each video, at 30 Hz: a second
CLASSES = ("clap", "wave")


def write_videos(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_video(root / name, numbered_frames(FRAMES))
    return root


def result(values: dict[str, Any], control: str = "action", kind: str = "choices") -> dict[str, Any]:
    """A result of Label Studio."""
    return {
        "value": values, "id": "wK3xB2", "from_name": control, "to_name": "video", "type": kind, "origin": "manual",
    }  # fmt: skip


def timeline(name: str, start: int, end: int) -> dict[str, Any]:
    """A result of Label Studio's timeline: frames from 1, the last one included."""
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [name]}
    return result(value, "timeline", "timelinelabels")


def annotation(results: Sequence[dict[str, Any]], number: int = 1, **more: Any) -> dict[str, Any]:
    """An annotation of Label Studio."""
    return {
        "id": number, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False,
        "created_at": f"2026-03-01T10:0{number}:00.000000Z", "updated_at": f"2026-03-01T10:0{number}:00.000000Z",
        "draft_created_at": None, "lead_time": 4.2, "prediction": {}, "result_count": len(results), "task": 1,
        "parent_prediction": None, "last_action": None, **more,
    }  # fmt: skip


def task(number: int, video: str, *annotations: dict[str, Any], **data: Any) -> dict[str, Any]:
    """A task of Label Studio."""
    return {
        "id": number, "annotations": list(annotations), "file_upload": None, "drafts": [],
        "predictions": [{"id": 7, "result": [result({"choices": ["nonsense"]})], "score": 0.9, "model_version": "v1"}],
        "data": {"video": video, **data}, "meta": {}, "inner_id": number, "total_annotations": len(annotations),
        "cancelled_annotations": 0, "total_predictions": 1, "comment_count": 0, "project": 1, "updated_by": 1,
    }  # fmt: skip


def write_label_studio(root: Path) -> Path:
    """The JSON export of a project of choices: uploads, local files and a bucket; skipped and unlabelled tasks."""
    write_videos(root, [f"clip {i}.mp4" for i in range(10)])
    addresses = [
        "/data/upload/1/0f3b9c1{0}-clip_{0}.mp4",
        "/data/local-files/?d=videos/clip%20{0}.mp4",
        "s3://b/clip {0}.mp4",
    ]
    tasks = []
    for i in range(8):
        label = annotation([result({"choices": [CLASSES[i % 2]]})])
        tasks.append(task(i, addresses[i % 3].format(i), label))
    skipped = annotation([result({"choices": ["clap"]})], was_cancelled=True)
    tasks += [task(8, "clip 8.mp4", skipped), task(9, "clip 9.mp4")]
    (root / "export.json").write_text(json.dumps(tasks))
    return root


def write_label_studio_timeline(root: Path) -> Path:
    """The JSON export of a project of timeline labels, in frames of 1/24 s."""
    write_videos(root, [f"long {i}.mp4" for i in range(4)])
    tasks = []
    for i in range(4):
        stretches = [timeline(CLASSES[k], 12 * k + 1, 12 * k + 12) for k in range(2)]
        tasks.append(task(i, f"/data/upload/1/0f3b9c1{i}-long_{i}.mp4", annotation(stretches)))
    (root / "export.json").write_text(json.dumps(tasks))
    return root


def write_label_studio_csv(root: Path) -> Path:
    """The CSV export: a column per control, lists as JSON in cells."""
    write_videos(root, [f"clip {i}.mp4" for i in range(6)])
    with (root / "export.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["video", "id", "action", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"]
        )
        for i in range(6):
            writer.writerow(
                [f"/data/upload/1/0f3b9c1{i}-clip_{i}.mp4", i, CLASSES[i % 2], 1, i, "2026-03-01", "2026-03-01", 3]
            )
    return root


def box(frame: int, outside: int = 0, keyframe: int = 1, inner: str = "") -> str:
    """A shape of a track of CVAT."""
    return (
        f'<box frame="{frame}" keyframe="{keyframe}" outside="{outside}" occluded="0" xtl="1.00" ytl="2.00" xbr="9.00" '
        f'ybr="8.00" z_order="0">{inner}</box>\n'
    )


def cvat_task(number: int, video: str, stop_frame: int = FRAMES - 1, more: str = "") -> str:
    """The description of a task of CVAT."""
    return (
        f"<task><id>{number}</id><name>day {number}</name><size>{stop_frame + 1}</size><mode>interpolation</mode>"
        f"<overlap>5</overlap><start_frame>0</start_frame><stop_frame>{stop_frame}</stop_frame>{more}"
        "<labels><label><name>clap</name><color>#fa3253</color><type>any</type><attributes></attributes></label></labels>"
        f"<segments><segment><id>{number}</id><start>0</start><stop>{stop_frame}</stop><url>http://localhost:8080/api/jobs/"
        f"{number}</url></segment></segments><owner><username>ann</username><email>a@b.org</email></owner>"
        f"<original_size><width>64</width><height>48</height></original_size><source>{video}</source></task>"
    )


def cvat_xml(tasks: str, content: str) -> str:
    """A document of CVAT; `tasks` is what its <meta> holds."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        f"<meta>{tasks}<dumped>2026-03-01 10:00:00.000000+00:00</dumped></meta>\n{content}</annotations>\n"
    )


def write_cvat(root: Path) -> Path:
    """CVAT for video, a project: two tracks in each of four videos, one of which nobody has labelled."""
    write_videos(root, [f"day {i}.mp4" for i in range(5)])
    tasks = "".join(cvat_task(i, f"day {i}.mp4", more="<subset>default</subset>") for i in range(5))
    project = f"<project><id>3</id><name>p</name><tasks>{tasks}</tasks><subsets>default</subsets></project>"
    tracks = []
    for i in range(4):
        for k, name in enumerate(CLASSES):
            shapes = box(15 * k) + box(15 * k + 5, keyframe=0) + box(15 * k + 12, outside=1)
            described = f'id="{2 * i + k}" label="{name}" source="manual" task_id="{i}" subset="default"'
            tracks.append(f"<track {described}>\n{shapes}</track>\n")
    (root / "annotations.xml").write_text(cvat_xml(project, "".join(tracks)))
    return root


def write_createml(root: Path) -> Path:
    """Create ML's annotations: whole files by start and end, a montage by minutes and seconds, blanks around names."""
    write_videos(root, [f"Squats{i}.mov" for i in range(4)] + [f"Montage {i}.mov" for i in range(3)])
    entries: list[dict[str, Any]] = [
        {"video": f"Squats{i}.mov", "label": f" {CLASSES[i % 2]}", "start": 0, "end": 0.9} for i in range(4)
    ]
    for i in range(3):
        entries.append({"video": f"Montage {i}.mov", "label": "clap", "start": "0:0", "end": "0:0.4"})
        entries.append({"video": f"Montage {i}.mov", "label": "wave", "start": "0:00:0.5", "end": 1})
    (root / "annotations.json").write_text(json.dumps(entries))
    return root


def via_project(
    videos: Sequence[str], metadata: dict[str, Any], options: dict[str, str] | None = None
) -> dict[str, Any]:
    """A project of VIA 3 with one attribute of stretches."""
    options = {"0": "clap", "1": "wave"} if options is None else options
    return {
        "project": {"pid": "__VIA_PROJECT_ID__", "rev": "1", "pname": "p", "data_format_version": "3.1.1", "created": 1,
                    "creator": "VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)",
                    "vid_list": [str(i) for i, _ in enumerate(videos, 1)]},
        "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}, "ui": {}},
        "attribute": {"1": {"aname": "action", "anchor_id": "FILE1_Z2_XY0", "type": 4, "desc": "", "options": options,
                            "default_option_id": ""}},
        "file": {str(i): {"fid": i, "fname": name, "type": 4, "loc": 1, "src": ""} for i, name in enumerate(videos, 1)},
        "metadata": metadata,
        "view": {str(i): {"fid_list": [i]} for i, _ in enumerate(videos, 1)},
    }  # fmt: skip


def write_via(root: Path) -> Path:
    """A project of VIA 3: stretches in seconds by options, a region, and a video that nobody has labelled."""
    names = [f"take{i}.mp4" for i in range(5)]
    write_videos(root, names)
    metadata: dict[str, Any] = {}
    for i in range(4):
        for k in range(2):
            z = [0.5 * k, 0.5 * k + 0.45678]
            metadata[f"{i}_{k}Qx"] = {"vid": str(i + 1), "flg": 0, "z": z, "xy": [], "av": {"1": str(k)}}
    metadata["1_box"] = {"vid": "1", "flg": 0, "z": [0.2], "xy": [2, 1, 1, 9, 9], "av": {"1": "0"}}
    (root / "via_project.json").write_text(json.dumps(via_project(names, metadata)))
    return root
