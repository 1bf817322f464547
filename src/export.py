"""Exports a checkpoint for other programs: python src/export.py RUN/checkpoints/best.ckpt --format onnx"""

import argparse

from video_adapters.commands import command

REDUCED = ("fp16", "int8")
OF_PRECISIONS = {"max_loss": REDUCED, "videos": REDUCED, "calibration": ("int8",)}
"""Options that say how what is reduced is measured, and for which precisions."""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Writes a checkpoint's network for other programs: uint8 clips in, probabilities out."
    )
    add = parser.add_argument
    add("checkpoint", type=command.path, help="such as RUN/checkpoints/best.ckpt")
    add(
        "--format", required=True, help="onnx, openvino, torch_export, or hub: a folder that others can use, or the hub"
    )
    add("--out", type=command.path, metavar="FILE", help="default: beside the checkpoint, as .onnx, .xml or .pt2")
    add("--weights", type=command.path, metavar="FILE", help="where the frozen encoder's weights are now")
    add("--logits", action="store_true", help="logits instead of probabilities")
    add("--overwrite", action="store_true", help="replace files that exist")
    add = parser.add_argument_group("with --format onnx and openvino").add_argument
    add("--precision", help="of the encoder's products: fp32 (default), fp16 or int8")
    add(
        "--data", type=command.path, metavar="ROOT", help="where validation's videos are now, to score fp16 and int8 on"
    )
    add("--max-loss", type=float, metavar="POINTS", help="of that accuracy that fp16 and int8 may lose (1)")
    add("--videos", type=int, metavar="N", help="validation videos to score, at most (1000)")
    add(
        "--calibration",
        type=int,
        metavar="N",
        help="validation videos for the ranges of int8, at least one a class (128)",
    )
    add = parser.add_argument_group("with --format hub").add_argument
    add("--to", metavar="NAME", help="user/name on the Hugging Face hub (hf:user/name), or a folder (./folder)")
    add("--encoder", action="store_true", help="put the frozen encoder inside too")
    add("--public", action="store_true", help="a new repository that everybody sees")
    add("--license", metavar="ID", help="of what was trained: mit, apache-2.0, ...")
    return parser


def main() -> None:
    given = arguments().parse_args()
    if given.format == "hub":
        from video_adapters.recognition.hub import request_of, share

        command.run(lambda: share(request_of(vars(given))))
        return
    for name in ("to", "encoder", "public", "license"):
        if vars(given).pop(name):
            raise SystemExit(f"--{name} goes with --format hub")
    from video_adapters.recognition.export import export  # here, so that --help answers at once
    from video_adapters.recognition.export_request import Request

    words = {name: value for name, value in vars(given).items() if value is not None}
    for name, precisions in OF_PRECISIONS.items():
        if name in words and given.precision not in precisions:
            raise SystemExit(f"--{name.replace('_', '-')} goes with --precision {' or '.join(precisions)}")
    command.run(lambda: export(Request(**words)))


if __name__ == "__main__":
    command.set_up()
    main()
