"""Exports a checkpoint for other programs: python src/export.py RUN/checkpoints/best.ckpt --format onnx"""

import argparse

from video_adapters.commands import command


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Writes a checkpoint's network for other programs: uint8 clips in, probabilities out."
    )
    add = parser.add_argument
    add("checkpoint", type=command.path, help="such as RUN/checkpoints/best.ckpt")
    add("--format", required=True, help="onnx or torch_export")
    add("--out", type=command.path, metavar="FILE", help="default: beside the checkpoint, as .onnx or .pt2")
    add("--weights", type=command.path, metavar="FILE", help="where the frozen encoder's weights are now")
    add("--logits", action="store_true", help="logits instead of probabilities")
    add("--overwrite", action="store_true", help="replace files that exist")
    return parser


def main() -> None:
    given = arguments().parse_args()
    from video_adapters.recognition.export import Request, export  # here, so that --help answers at once

    command.run(lambda: export(Request(**vars(given))))


if __name__ == "__main__":
    command.set_up()
    main()
