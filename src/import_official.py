"""Imports a checkpoint of the official AIM release: python src/import_official.py checkpoint.pth --out aim.ckpt"""

import argparse

from video_adapters.commands import command


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Makes one of our checkpoints from one of the official AIM release.")
    add = parser.add_argument
    add("checkpoint", type=command.path, help="the release's .pth: ViT-CLIP, ViT-ImageNet or Swin")
    add("overrides", nargs="*", metavar="KEY=VALUE", help="of the config that the checkpoint remembers")
    add("--out", type=command.path, required=True, help="where our checkpoint goes, such as aim.ckpt")
    add("--encoder-out", type=command.path, help="where frozen weights go (default: OUT_encoder.safetensors)")
    add("--published", type=command.path, help="published encoder to compare with (default: the hub's)")
    add("--heads", type=int, help="attention heads of a ViT (default: width / 64)")
    add("--scale", type=float, help="of the joint adapter (default: 1 with T_Adapter_in, else 0.5)")
    add("--image-size", type=int, help="pixels, for a Swin without attention masks (default: 224)")
    add("--data", help="data config (default: the paper's one with as many classes)")
    add("--root", help="folder of the data set")
    add("--classes", type=command.path, help="class names: one per line, or SSv2's labels.json")
    add("--overwrite", action="store_true", help="replace files that exist")
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
