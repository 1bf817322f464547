"""From a checkpoint of the official AIM release to one of ours."""

import shlex
from typing import Any

from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.grammar import hydra_quote
from video_adapters.commands.outputs import check_file
from video_adapters.commands.terminal import summary
from video_adapters.model import checkpoint
from video_adapters.model.build import build_classifier
from video_adapters.model.checkpoint import PREFIX
from video_adapters.model.finite_weights import refuse_not_finite
from video_adapters.official.frozen_weights import check_kept, place_weights
from video_adapters.official.recipe import compose_train, overrides_for
from video_adapters.official.request import Request, read_official
from video_adapters.official.sizes import CLIP, SWIN, Sizes
from video_adapters.official.split_checkpoint import Official, split_checkpoint
from video_adapters.trust import checkpoint_file


def import_official(request: Request) -> dict[str, Any]:
    """Writes one of our checkpoints, and a file of frozen weights unless they are a published encoder's; says so.

    Returns: the content of the checkpoint.

    Raises:
        ValueError: for a file that is no official checkpoint or fits nothing, naming what; for settings that contradict
            it or are missing; for files in the way, and places that cannot be written to.
    """
    request.refuse_overwriting(request.out)
    check_file(request.out, "--out")
    if request.encoder_out is not None:
        check_file(request.encoder_out, "--encoder-out")
    official = split_checkpoint(read_official(request.checkpoint), request.heads, request.image_size)
    refuse_not_finite(official.frozen | official.trained, str(request.checkpoint))
    names = request.class_names(official.sizes.num_classes)
    given = [*([f"data.root={hydra_quote(request.root)}"] if request.root else []), *request.overrides]
    overrides = overrides_for(official, request.data, request.scale, given)
    verdict, weights = place_weights(request, official, overrides)
    cfg = compose_train([*overrides, *weights])
    try:
        content = _content(cfg, official, names, request)
        checkpoint_file.write(content, request.out)
    except Exception:
        if str(request.encoder_file) in verdict:  # half of a pair, and in the way of the next attempt
            request.encoder_file.unlink()
        raise
    _report(request, official, cfg, verdict, [*overrides, *weights])
    return content


def _content(cfg: DictConfig, official: Official, names: tuple[str, ...], request: Request) -> dict[str, Any]:
    """The checkpoint, proven on the model that its own config builds."""
    cfg.name, cfg.run_dir = request.out.stem, str(request.out.absolute().parent)
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    if cfg.data.num_classes is None:
        cfg.data.num_classes = 2  # a head of any size, which nothing is loaded into
    classifier = build_classifier(cfg)
    check_kept(classifier.backbone.encoder, official)
    origin = checkpoint.origin_of(classifier, config, names)
    weights = {PREFIX + name: value.contiguous() for name, value in official.trained.items()}
    content = {"state_dict": weights, "origin": origin.as_dict()}
    checkpoint.check_same_model(classifier, origin, content, head=official.sizes.num_classes is not None)
    return content


def _report(request: Request, official: Official, cfg: DictConfig, verdict: str, overrides: list[str]) -> None:
    """Prints what was read, assumed and written, and what to type next; the overrides are those that compose `cfg`."""
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
