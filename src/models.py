"""Writes docs/models.md, the table of every experiment: python src/models.py"""

import argparse
from pathlib import Path

from video_adapters.commands import command
from video_adapters.commands.atomic import write_text


def main() -> None:
    """Counts every experiment's model, in about half a minute, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="the file to write instead of docs/models.md")
    args = parser.parse_args()
    command.set_up()
    from video_adapters.catalogue.model_table import DOCUMENT, document  # here, so that --help answers at once

    path = args.out or DOCUMENT
    text = command.run(document)
    write_text(path, text)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
