"""Imports a checkpoint of the official AIM release: python src/import_official.py checkpoint.pth --out aim.ckpt"""

import argparse

from video_adapters.commands import command


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Makes one of our checkpoints from one of the official AIM release.")
    parser.add_argument("checkpoint", type=command.path, help="the release's .pth: ViT-CLIP, ViT-ImageNet or Swin")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of the config that the checkpoint remembers")
    parser.add_argument("--out", type=command.path, required=True, help="where our checkpoint goes, such as aim.ckpt")
    parser.add_argument(
        "--encoder-out", type=command.path, help="where frozen weights go (default: OUT_encoder.safetensors)"
    )
    parser.add_argument("--published", type=command.path, help="published encoder to compare with (default: the hub's)")
    parser.add_argument("--heads", type=int, help="attention heads of a ViT (default: width / 64)")
    parser.add_argument("--scale", type=float, help="of the joint adapter (default: 1 with T_Adapter_in, else 0.5)")
    parser.add_argument("--image-size", type=int, help="pixels, for a Swin without attention masks (default: 224)")
    parser.add_argument("--data", help="data config (default: the paper's one with as many classes)")
    parser.add_argument("--root", help="folder of the data set")
    parser.add_argument("--classes", type=command.path, help="class names: one per line, or SSv2's labels.json")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    return parser


def main() -> None:
    given = arguments().parse_intermixed_args()
    from video_adapters.official.import_checkpoint import (  # here, so that --help answers at once
        Request,
        import_official,
    )

    command.run(lambda: import_official(Request(**vars(given))))


if __name__ == "__main__":
    command.set_up()
    main()
