"""Recognises videos: python src/predict.py RUN/checkpoints/best.ckpt clip.mp4 folder '*.webm'"""

import argparse
import sys
from collections.abc import Sequence

from video_adapters.commands import command


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Says which classes videos show. Names that begin with '-' go after a '--'.",
        epilog="Exit status: 0 when all videos were read, 1 when some were not (they are named, the others go on).",
    )
    add = parser.add_argument
    add("checkpoint", type=command.path, help="such as RUN/checkpoints/best.ckpt; it brings config and classes")
    add("videos", nargs="*", metavar="VIDEO", help="files, folders (of videos or of frames), patterns")
    add("--top", type=int, default=5, metavar="N", help="classes per video (default: 5)")
    add("--weights", type=command.path, metavar="FILE", help="where the frozen encoder's weights are now")
    add("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    add("--views", metavar="NAME", help="of configs/views: ssv2, k400, k700, single, ... (default: as trained)")
    add("--window", type=float, metavar="S", help="slides a window of S seconds: gives a timeline")
    add("--stride", type=float, metavar="S", help="from window to window (default: half a window)")
    add("--fps", type=float, default=30.0, help="frames a second of folders of frames (default: 30)")
    add("--csv", type=command.path, metavar="FILE", help="writes a row per video, or per window")
    add("--json", type=command.path, metavar="FILE", help="writes an object per video")
    add("--annotate", type=command.path, metavar="FOLDER", help="writes copies with the class on them, silent")
    return parser


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command line; what stands after '--' is videos, whatever it begins with."""
    end = words.index("--") if "--" in words else len(words)
    given = arguments().parse_intermixed_args(words[:end])
    given.videos = [*given.videos, *words[end + 1 :]]
    return given


def main() -> None:
    given = parsed(sys.argv[1:])
    from video_adapters.recognition.predict import Request, predict  # here, so that --help answers at once
    from video_adapters.recognition.results import Recognized

    outcomes = command.run(lambda: predict(Request(**vars(given))))
    done = (isinstance(outcome, Recognized) and not outcome.not_annotated for outcome in outcomes)
    raise SystemExit(int(not all(done)))


if __name__ == "__main__":
    command.set_up()
    main()
