"""Answers the notebooks' questions of a folder of runs in one HTML page: python src/report.py logs"""

import argparse
import sys
from pathlib import Path

from hydra.errors import CompactHydraException

from video_adapters.commands import entry
from video_adapters.commands.shown import printable


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=entry.path, help="folder with runs at any depth")
    parser.add_argument("--out", type=entry.path, default=Path("report.html"), help="the page (default: report.html)")
    parser.add_argument("--run", type=entry.path, help="the run that is looked into (default: the best by validation)")
    parser.add_argument("--data", type=entry.path, metavar="ROOT", help="where that run's videos lie now")
    parser.add_argument("--videos", type=int, metavar="N", help="most test videos that it scores again (default: all)")
    return parser


def main() -> None:
    given = arguments().parse_args()
    import matplotlib  # here, so that --help answers at once

    matplotlib.use("agg")  # pictures need no screen
    from video_adapters.analysis.report import Request, write

    request = Request(runs=given.runs, run=given.run, data_root=given.data, max_videos=given.videos)
    try:
        missing = entry.run(lambda: write(request, given.out))
    except CompactHydraException as error:  # what the user can mend
        raise SystemExit(str(error)) from None
    left_out = (f"left out: {question} {why}" for question, why in missing.left_out.items())
    for note in (*missing.warnings, *left_out):
        print(printable(note, keep="\n\t"), file=sys.stderr)
    print(f"written: {given.out}")


if __name__ == "__main__":
    entry.set_up()
    main()
