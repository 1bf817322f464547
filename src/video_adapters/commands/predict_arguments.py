"""Arguments of the command predict.py, apart from what it loads, so that --help answers at once."""

import argparse
from collections.abc import Sequence
from typing import Any

from video_adapters.commands import command


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Says which classes videos show. Names that begin with '-' go after a '--'.",
        epilog="Exit status: 0 when all videos were read, 1 when some were not (they are named, the others go on).",
    )
    add = parser.add_argument
    add("checkpoint", type=command.path, help="such as RUN/checkpoints/best.ckpt; it brings config and classes")
    add("videos", nargs="*", metavar="VIDEO", help="files, folders (of videos or of frames), patterns")
    add("--list", dest="lists", action="append", default=[], type=command.path, metavar="FILE",
        help="a text file, a name in each line, relative to the working folder; - is the standard input")  # fmt: skip
    add("--top", type=int, default=5, metavar="N", help="classes per video (default: 5)")
    add("--weights", type=command.path, metavar="FILE", help="where the frozen encoder's weights are now")
    add("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    add("--views", metavar="NAME", help="of configs/views: ssv2, k400, k700, single, ... (default: as trained)")
    add("--window", type=float, metavar="S", help="slides a window of S seconds: gives a timeline")
    add("--stride", type=float, metavar="S", help="from window to window (default: half a window)")
    add("--fps", type=float, default=30.0, help="frames a second of folders of frames (default: 30)")
    add("--csv", type=command.path, metavar="FILE", help="writes a row per video, or per window")
    add("--json", type=command.path, metavar="FILE", help="writes an object per video: a list or, as .jsonl, lines")
    add("--annotate", type=command.path, metavar="FOLDER", help="writes copies with the class on them, silent")
    add("--workers", type=int, metavar="N", help="processes that decode whole videos (default: one for each core)")
    add("--tables", action="store_true", help="prints a table for each video also where there are many")
    label_studio_arguments(parser.add_argument_group("Label Studio", "tasks to import, labelled, the unsure first"))
    live_arguments(parser.add_argument_group("a stream", "SOURCE is a camera, an address, a file, or - (see the docs)"))
    return parser


def live_arguments(group: Any) -> None:
    """What --live takes beside what it has in common with whole videos."""
    add = group.add_argument
    add("--live", action="store_true", help="recognises one source in real time, and tells events")
    add("--smoothing", type=float, metavar="S", help="time constant of the scores (default: a quarter of a window)")
    add("--enter", type=float, metavar="P", help="score at which an event begins (default: 0.6, or the class's own)")
    add("--leave", type=float, metavar="P", help="score below which it ends (default: two thirds of that)")
    add("--shortest", type=float, metavar="S", help="shorter events are not told (default: a quarter of a window)")
    add("--timeout", type=float, metavar="S", help="without a frame, until a source is lost (default: 10)")
    add("--give-up", type=float, metavar="S", help="without a frame, until it is not tried again (default: 300)")
    add("--jsonl", type=command.path, metavar="FILE", help="writes events as JSON lines; -: to standard output")


def label_studio_arguments(group: Any) -> None:
    """What says how tasks for Label Studio are written."""
    add, path = group.add_argument, command.path
    add("--label-studio", type=path, metavar="FILE", help="writes tasks, and a labelling interface beside them")
    add("--label-studio-config", type=path, metavar="FILE", help="the interface of your project, whose names are used")
    add("--label-studio-root", type=path, metavar="FOLDER", help="LOCAL_FILES_DOCUMENT_ROOT of its server (default: /)")


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command line; what stands after '--' is videos, whatever it begins with."""
    end = words.index("--") if "--" in words else len(words)
    given = arguments().parse_intermixed_args(words[:end])
    given.videos = [*given.videos, *words[end + 1 :]]
    return given
