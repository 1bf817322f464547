"""Checks, converts or reviews a data set's videos: python src/prepare.py check --data ssv2 --root /videos/ssv2"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from video_adapters.commands import command


def short_side(text: str) -> int | str | None:
    return text if text == "auto" else None if text == "native" else int(text)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="decode every video and report which are broken, missing, cut, odd")
    add = check.add_argument
    add("--out", type=command.path, help="the report (default: NAME_report.csv here); a second call goes on")
    add("--fresh", action="store_true", help="start again instead of going on")
    transcode = commands.add_parser("transcode", help="make a copy for training that decodes fast")
    add = transcode.add_argument
    add("--to", type=command.path, required=True, help="folder of the copy, outside of the data set")
    add("--short-side", type=short_side, default="auto", help="pixels at most, or native (default: by data.image_size)")
    add("--crf", type=int, default=20, help="h264's quality: less is better and larger (default: 20)")
    add("--gop", type=int, default=12, help="frames from key frame to key frame (default: 12)")
    add("--sample-only", action="store_true", help="stop after the sample and its prediction")
    review = commands.add_parser("review", help="list near-duplicates, suspected labels, outliers, classes alike")
    review.add_argument("--out", type=command.path, help="the table (default: NAME_review.csv here), beside it a page")
    for subparser in (check, transcode, review):
        add = subparser.add_argument
        add("--data", required=True, metavar="NAME", help="as in configs/data: ssv2, folders, ...")
        add("--root", type=command.path, help="folder of the data set")
        if subparser is not review:
            add("--workers", type=int, help="processes (default: one for each core)")
        add("overrides", nargs="*", metavar="KEY=VALUE", help="of the config, such as data.annotations.fold=2")
    parser.epilog = "\n".join(one.format_usage() for one in (check, transcode, review))
    return parser


def parsed(words: Sequence[str]) -> dict[str, Any]:
    """The command line; KEY=VALUE may stand between the options, which argparse does not see below a subcommand."""
    parser = arguments()
    options, rest = parser.parse_known_args(words)
    if unknown := [word for word in rest if word.startswith("-") or "=" not in word]:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return {**vars(options), "overrides": [*options.overrides, *rest]}


def main() -> None:
    given = parsed(sys.argv[1:])
    command.run(lambda: prepare(given.pop("command"), given))


def prepare(step: str, given: dict[str, Any]) -> None:
    from video_adapters.preparation.source import Source  # here, so that --help answers at once

    source = Source(**{key: given.pop(key) for key in ("data", "root", "overrides")})
    if step == "check":
        from video_adapters.preparation.check import Check, check

        check(Check(source=source, **given))
    elif step == "transcode":
        from video_adapters.preparation.transcode import Transcode, transcode

        transcode(Transcode(source=source, **given))
    else:
        from video_adapters.preparation.review.review import ReviewRequest, review_data

        review_data(ReviewRequest(source=source, **given))


if __name__ == "__main__":
    command.set_up()
    main()
