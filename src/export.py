"""Exports a checkpoint for other programs: python src/export.py RUN/checkpoints/best.ckpt --format onnx"""

import argparse

from hydra.errors import CompactHydraException

from video_adapters.commands import entry


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Writes a checkpoint's network for other programs: uint8 clips in, probabilities out."
    )
    parser.add_argument("checkpoint", type=entry.path, help="such as RUN/checkpoints/best.ckpt")
    parser.add_argument("--format", required=True, help="onnx or torch_export")
    parser.add_argument(
        "--out", type=entry.path, metavar="FILE", help="default: beside the checkpoint, as .onnx or .pt2"
    )
    parser.add_argument("--weights", type=entry.path, metavar="FILE", help="where the frozen encoder's weights lie now")
    parser.add_argument("--logits", action="store_true", help="logits instead of probabilities")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    return parser


def main() -> None:
    given = arguments().parse_args()
    from video_adapters.recognition.export import Request, export  # here, so that --help answers at once

    try:
        entry.run(lambda: export(Request(**vars(given))))
    except CompactHydraException as error:  # what the user can mend
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    entry.set_up()
    main()
