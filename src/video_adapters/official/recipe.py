"""The config that belongs to an official checkpoint, and the overrides that compose it."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.config import compose_config, config_names
from video_adapters.commands.grammar import hydra_quote
from video_adapters.model.placement import place
from video_adapters.official.sizes import CLIP, SWIN, VIT, Sizes
from video_adapters.official.split_checkpoint import Official

DATA = {174: "ssv2", 400: "k400", 700: "k700", 48: "diving48"}
"""The paper's data sets, by their number of classes."""

PUBLISHED: Mapping[tuple[Any, ...], str] = {
    # title, width, depths, heads, patch, window, ratio of the MLP
    (CLIP.title, 768, (12,), (12,), 16, None, 4.0): "clip_vit_b16",
    (CLIP.title, 1024, (24,), (16,), 14, None, 4.0): "clip_vit_l14",
    (VIT.title, 768, (12,), (12,), 16, None, 4.0): "imagenet21k_vit_b16",
    (SWIN.title, 128, (2, 2, 18, 2), (4, 8, 16, 32), 4, 7, 4.0): "swin_b",
    (SWIN.title, 96, (2, 2, 6, 2), (3, 6, 12, 24), 4, 7, 4.0): "swin_t",
}
"""Model configs, by the sizes of their network; other sizes are written into the first one of their family."""

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
"""Statistics of the pixels that the release's ImageNet models were trained with; timm's ViT itself was with 0.5."""


def published_model(sizes: Sizes) -> str | None:
    """The model config whose network has these sizes; None where none has."""
    key = (sizes.family.title, sizes.width, sizes.depths, sizes.num_heads, sizes.patch, sizes.window, sizes.mlp_ratio)
    return PUBLISHED.get(key)


def overrides_for(official: Official, data: str | None, scale: float | None, given: Sequence[str]) -> list[str]:
    """What is to be put on a command line, ahead of the `given`, to get the model and the data of a checkpoint.

    Without a data config, it is the one of the paper with as many classes; without a scale of the joint adapter, the
    release's own.

    Raises:
        ValueError: where the data are not said and cannot be told from the number of classes, or contradict it.
    """
    sizes = official.sizes
    data = data or _data(sizes)
    alike = next(model for (title, *_), model in PUBLISHED.items() if title == sizes.family.title)
    model = published_model(sizes) or alike
    adapter = "aim_swin" if sizes.family is SWIN else "aim_ssv2" if sizes.sites["temporal_in"] else "aim"
    groups = [f"experiment={_experiment(sizes, data)}", f"data={data}", f"model={model}", f"adapter={adapter}"]
    base = compose_train([*groups, *given])
    values = _data_values(sizes, data, base) | _adapter_values(sizes, scale)
    changes = [f"{key}={hydra_quote(value)}" for key, value in values.items() if OmegaConf.select(base, key) != value]
    encoder = [f"++model.encoder.{key}={hydra_quote(value)}" for key, value in _encoder_values(official).items()]
    return [*groups, *changes, *encoder, *given]


def compose_train(overrides: Sequence[str]) -> DictConfig:
    """`configs/train.yaml` with overrides, as the command line of `src/train.py` would compose it."""
    return compose_config("train", [*overrides, "name=imported", "run_dir=."])


def _data(sizes: Sizes) -> str:
    if sizes.num_classes is None:
        return "folders"
    if sizes.num_classes not in DATA:
        counts = ", ".join(f"{name} {count}" for count, name in DATA.items())
        available = ", ".join(config_names("data"))
        raise ValueError(
            f"the checkpoint's head has {sizes.num_classes} classes, as no data set of the paper has ({counts}): say "
            f"--data NAME, one of {available}"
        )
    return DATA[sizes.num_classes]


def _experiment(sizes: Sizes, data: str) -> str:
    """The recipe for these data or, where there is none, the one that such adapters were published with."""
    family = "aim_swin" if sizes.family is SWIN else "aim"
    usual = f"{family}_{'ssv2' if sizes.sites['temporal_in'] else 'k400'}"
    recipes = (name for name in (f"{family}_{data}", data) if name in config_names("experiment"))
    return next(recipes, usual)


def _data_values(sizes: Sizes, data: str, base: DictConfig) -> dict[str, Any]:
    values = {
        "data.num_frames": sizes.num_frames,
        "data.image_size": sizes.image_size,
        "data.tubelet": sizes.tubelet,
    }
    if sizes.num_classes is None:
        return values
    if base.data.num_classes not in (None, sizes.num_classes):
        raise ValueError(
            f"the checkpoint's head has {sizes.num_classes} classes, but data={data} has {base.data.num_classes}: say "
            "another --data"
        )
    return values | {"data.num_classes": sizes.num_classes}


def _adapter_values(sizes: Sizes, scale: float | None) -> dict[str, Any]:
    placements = {f"adapter.{site}": _placement(blocks, sizes) for site, blocks in sizes.sites.items()}
    return placements | {
        "adapter.ratio": sizes.ratio,
        "adapter.scale": sizes.usual_scale if scale is None else scale,
        "adapter.temporal_embedding": sizes.temporal_embedding,
        "adapter.time_bias": sizes.time_bias,
        "adapter.final_norm": sizes.family.norm_trains,
    }


def _placement(blocks: tuple[int, ...], sizes: Sizes) -> str | list[int] | None:
    if not blocks:
        return None
    named = [name for name in ("all", "even") if place(name, sizes.depths) == blocks]
    return named[0] if named else list(blocks)


def _encoder_values(official: Official) -> dict[str, Any]:
    """Arguments for timm or open_clip that the model config does not have already."""
    sizes = official.sizes
    values: dict[str, Any] = {} if published_model(sizes) else _encoder_sizes(sizes)
    if official.in_channels != 3:
        values["in_chans"] = official.in_channels
    if sizes.family is VIT:
        values["pretrained_cfg_overlay"] = IMAGENET
    return values


def _encoder_sizes(sizes: Sizes) -> dict[str, Any]:
    if sizes.family is CLIP:
        return {
            "embed_dim": 16,  # of the space shared with text; neither it nor the text tower is kept
            "vision_cfg": {
                "image_size": sizes.image_size,
                "patch_size": sizes.patch,
                "width": sizes.width,
                "layers": sizes.depths[0],
                "head_width": sizes.width // sizes.num_heads[0],
                "mlp_ratio": sizes.mlp_ratio,
            },
            "text_cfg": {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 1, "layers": 1},
        }
    common = {"patch_size": sizes.patch, "embed_dim": sizes.width, "mlp_ratio": sizes.mlp_ratio}
    if sizes.family is SWIN:
        return common | {"window_size": sizes.window, "depths": sizes.depths, "num_heads": sizes.num_heads}
    return common | {"depth": sizes.depths[0], "num_heads": sizes.num_heads[0]}
