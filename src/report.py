"""Answers the notebooks' questions of a folder of runs in one HTML page: python src/report.py logs"""

import argparse
import sys
from pathlib import Path

from video_adapters.commands import command
from video_adapters.commands.wording import printable


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("runs", type=command.path, help="folder with runs at any depth")
    add("--out", type=command.path, default=Path("report.html"), help="page (default: report.html)")
    add("--run", type=command.path, help="run that is looked into (default: the best by validation)")
    add("--data", type=command.path, metavar="ROOT", help="where that run's videos lie now")
    add("--videos", type=int, metavar="N", help="most test videos that it scores again (default: all)")
    return parser


def main() -> None:
    given = arguments().parse_args()
    import matplotlib  # here, so that --help answers at once

    matplotlib.use("agg")  # pictures need no screen
    from video_adapters.analysis.report import Request, write

    request = Request(runs=given.runs, run=given.run, data_root=given.data, max_videos=given.videos)
    missing = command.run(lambda: write(request, given.out))
    left_out = (f"left out: {question} {why}" for question, why in missing.left_out.items())
    for note in (*missing.warnings, *left_out):
        print(printable(note, keep="\n\t"), file=sys.stderr)
    print(f"written: {given.out}")


if __name__ == "__main__":
    command.set_up()
    main()
