"""Tables of models: docs/models.md, of every experiment, and on the screen the encoders that fit (--encoders)."""

import argparse
from pathlib import Path

from video_adapters.commands import command
from video_adapters.commands.atomic import write_text


def main() -> None:
    """Counts every experiment's model, in about a minute and a half, and writes the table; or lists encoders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="the file to write instead of docs/models.md")
    parser.add_argument(
        "--encoders",
        nargs="?",
        const="",
        metavar="WORDS",
        help="list the networks of timm and open_clip that fit; WORDS: those with them in their names, such as dinov3",
    )
    args = parser.parse_args()
    command.set_up()
    if args.encoders is not None:
        from video_adapters.catalogue.encoder_list import print_encoders  # here, so that --help answers at once

        command.run(lambda: print_encoders(args.encoders))
        return
    from video_adapters.catalogue.model_table import DOCUMENT, document  # here too

    path = args.out or DOCUMENT
    text = command.run(document)
    write_text(path, text)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
