"""The summary of an import: what it read, assumed and wrote, and what to type next."""

import shlex
from typing import Any

from omegaconf import DictConfig

from video_adapters.commands.grammar import hydra_quote
from video_adapters.commands.terminal import summary
from video_adapters.official.request import Request
from video_adapters.official.sizes import CLIP, SWIN, Sizes
from video_adapters.official.split_checkpoint import Official


def report(request: Request, official: Official, cfg: DictConfig, verdict: str, overrides: list[str]) -> None:
    """Prints it as a table.

    Args:
        request: the user's.
        official: content of the file.
        cfg: the config that the checkpoint remembers.
        verdict: whose the frozen weights are, and where.
        overrides: those that compose `cfg`.
    """
    sizes = official.sizes
    rows = _of_sizes(sizes, cfg) | {
        "head": "none",
        "tensors": f"{len(official.trained)} trained, {len(official.frozen) - len(official.shared)} frozen, "
        f"{official.buffers} computed anew",
        "assumed": "; ".join(_assumed(request, sizes, cfg)),
        "frozen weights": verdict,
        "checkpoint": str(request.out),
        "score it": "it has no head: it can start a run, but not be scored",
        "start from it": shlex.join(["python", "src/train.py", f"init_from={request.out}", *overrides]),
    }
    if sizes.num_classes:
        data = next(override for override in overrides if override.startswith("data="))
        root = [] if request.root else ["data.root=FOLDER"]
        rows["head"] = f"{sizes.num_classes} classes, {data}"
        rows["score it"] = shlex.join(["python", "src/eval.py", f"checkpoint={request.out}", *root])
    summary(f"imported {request.checkpoint}", rows)


def _of_sizes(sizes: Sizes, cfg: DictConfig) -> dict[str, str]:
    tubelets = f" in tubelets of {sizes.tubelet}" if sizes.tubelet > 1 else ""
    sites = [f"{site}: {hydra_quote(cfg.adapter[site])}" for site, blocks in sizes.sites.items() if blocks]
    time = [name for name, there in (("embedding", sizes.temporal_embedding), ("bias", sizes.time_bias)) if there]
    return {
        "model": f"{sizes.family.title}, {' + '.join(map(str, sizes.depths))} blocks, width {sizes.width}, "
        f"{sizes.patch}x{sizes.patch} patches",
        "clip": f"{sizes.num_frames} frames{tubelets}, {sizes.image_size}x{sizes.image_size}",
        "adapters": f"{', '.join(sites)}; ratio {sizes.ratio:g}; temporal {' and '.join(time)}",
    }


def _assumed(request: Request, sizes: Sizes, cfg: DictConfig) -> list[str]:
    """Sizes that no tensor tells, and how to give them."""

    def source(given: Any, usual: str, option: str) -> str:
        return "(as said)" if given is not None else f"({usual}; or say {option})"

    assumed = []
    if sizes.family is not SWIN:
        assumed.append(f"{sizes.num_heads[0]} heads {source(request.heads, 'width / 64', '--heads N')}")
    usual = "the release's, with two temporal adapters" if sizes.sites["temporal_in"] else "the release's"
    assumed.append(f"joint adapter x {cfg.adapter.scale:g} {source(request.scale, usual, '--scale X')}")
    if not sizes.image_size_told:
        assumed.append(f"{sizes.image_size} pixels {source(request.image_size, 'usual', '--image-size N')}")
    return [*assumed, f"pixels by the mean and std of {'CLIP' if sizes.family is CLIP else 'ImageNet'}"]
