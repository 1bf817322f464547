"""Every name in a checkpoint of the official AIM release, with its shape, and where its value belongs here."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from video_adapters.official.sizes import CLIP, SPACE_BIAS, SWIN, TIME_BIAS, Block, Sizes

Shape = tuple[int, ...]


class Entry(NamedTuple):
    """A tensor of an official checkpoint. Without a place of its own here it is a buffer, and may be missing."""

    name: str
    shape: Shape
    trained: str | None = None  # its name in our checkpoints
    frozen: str | None = None  # its name in the published encoder


def entries(sizes: Sizes) -> list[Entry]:
    """What the release writes for a model of these sizes."""
    pretrained = {CLIP.title: _clip, SWIN.title: _swin}.get(sizes.family.title, _vit)
    rows = [*pretrained(sizes), *_final_norm(sizes), *_adapters(sizes)]
    if sizes.temporal_embedding:
        shape = (1, sizes.num_times, sizes.width)
        rows.append(Entry("temporal_embedding", shape, trained="backbone.temporal_embedding"))
    if sizes.num_classes is not None:
        head = _linear(sizes.blocks[-1].width, sizes.num_classes)
        rows += [Entry(f"cls_head.fc_cls.{leaf}", shape, trained=f"head.linear.{leaf}") for leaf, shape in head]
    return rows


def _linear(inputs: int, outputs: int) -> list[tuple[str, Shape]]:
    return [("weight", (outputs, inputs)), ("bias", (outputs,))]


def _norm(width: int) -> list[tuple[str, Shape]]:
    return [("weight", (width,)), ("bias", (width,))]


def _kept(module: str, leaves: list[tuple[str, Shape]]) -> Iterator[Entry]:
    """Frozen tensors whose names the release took over from the library."""
    for leaf, shape in leaves:
        name = f"{module}.{leaf}" if module else leaf
        yield Entry(name, shape, frozen=name)


def _clip(sizes: Sizes) -> Iterator[Entry]:
    d, hidden = sizes.width, int(sizes.width * sizes.mlp_ratio)
    tokens = (sizes.image_size // sizes.patch) ** 2 + 1
    yield from _kept("", [("class_embedding", (d,)), ("positional_embedding", (tokens, d))])
    yield from _kept("conv1", [("weight", (d, 3, sizes.patch, sizes.patch))])
    yield from _kept("ln_pre", _norm(d))
    for block in sizes.blocks:
        yield from _kept(f"{block.name}.attn", [("in_proj_weight", (3 * d, d)), ("in_proj_bias", (3 * d,))])
        yield from _kept(f"{block.name}.attn.out_proj", _linear(d, d))
        yield from _kept(f"{block.name}.ln_1", _norm(d))
        yield from _kept(f"{block.name}.ln_2", _norm(d))
        yield from _kept(f"{block.name}.mlp.c_fc", _linear(d, hidden))
        yield from _kept(f"{block.name}.mlp.c_proj", _linear(hidden, d))


def _vit(sizes: Sizes) -> Iterator[Entry]:
    d, tokens = sizes.width, (sizes.image_size // sizes.patch) ** 2 + 1
    yield from _kept("", [("cls_token", (1, 1, d)), ("pos_embed", (1, tokens, d))])
    yield from _kept("patch_embed.proj", [("weight", (d, 3, sizes.patch, sizes.patch)), ("bias", (d,))])
    for block in sizes.blocks:
        yield from _timm_block(block, sizes.mlp_ratio)


def _swin(sizes: Sizes) -> Iterator[Entry]:
    d, patch = sizes.width, sizes.patch
    yield from _kept("patch_embed.proj", [("weight", (d, 3, sizes.tubelet, patch, patch)), ("bias", (d,))])
    yield from _kept("patch_embed.norm", _norm(d))
    assert sizes.window is not None
    for block in sizes.blocks:
        yield from _timm_block(block, sizes.mlp_ratio)
        yield from _kept(block.name, [(SPACE_BIAS, ((2 * sizes.window - 1) ** 2, block.num_heads))])
        yield from _buffers(sizes, block, sizes.window)
    for stage in range(len(sizes.depths) - 1):
        width = d * 2**stage
        leaves = [("reduction.weight", (2 * width, 4 * width)), *((f"norm.{leaf}", s) for leaf, s in _norm(4 * width))]
        for leaf, shape in leaves:  # at the end of a stage there, at the start of the next one in timm
            yield Entry(f"layers.{stage}.downsample.{leaf}", shape, frozen=f"layers.{stage + 1}.downsample.{leaf}")


def _timm_block(block: Block, mlp_ratio: float) -> Iterator[Entry]:
    d, hidden = block.width, int(block.width * mlp_ratio)
    for module, leaves in {
        "norm1": _norm(d),
        "attn.qkv": _linear(d, 3 * d),
        "attn.proj": _linear(d, d),
        "norm2": _norm(d),
        "mlp.fc1": _linear(d, hidden),
        "mlp.fc2": _linear(hidden, d),
    }.items():
        yield from _kept(f"{block.name}.{module}", leaves)


def _buffers(sizes: Sizes, block: Block, window: int) -> Iterator[Entry]:
    """What a Swin computes from its sizes, and writes nevertheless."""
    grid = sizes.image_size / (sizes.patch * 2**block.stage)
    yield Entry(f"{block.name}.attn.relative_position_index", (window**2, window**2))
    yield Entry(f"{block.name}.attn.t_relative_coords", (sizes.num_times**2,))
    if block.number % 2:
        yield Entry(f"{block.name}.attn_mask", (math.ceil(grid / window) ** 2, window**2, window**2))


def _final_norm(sizes: Sizes) -> Iterator[Entry]:
    """Where it trains, the encoder's file holds it too, which would not be whole without."""
    family = sizes.family
    for leaf, shape in _norm(sizes.blocks[-1].width):
        name = f"{family.final_norm}.{leaf}"
        if family.norm_trains:
            yield Entry(f"ln_post.{leaf}", shape, trained=f"backbone.encoder.net.{name}", frozen=name)
        else:
            yield Entry(name, shape, frozen=name)


def _adapters(sizes: Sizes) -> Iterator[Entry]:
    for i, block in enumerate(sizes.blocks):
        units = int(block.width * sizes.ratio)
        for site, official in sizes.family.sites.items():
            if i not in sizes.sites[site]:
                continue
            down, up = _linear(block.width, units), _linear(units, block.width)
            for layer, ours, leaves in (("D_fc1", "down", down), ("D_fc2", "up", up)):
                for leaf, shape in leaves:
                    name = f"{block.name}.{official}.{layer}.{leaf}"
                    yield Entry(name, shape, trained=f"backbone.blocks.{i}.{site}.{ours}.{leaf}")
        if sizes.time_bias and i in sizes.sites["temporal"]:
            shape = (2 * sizes.num_times - 1, block.num_heads)
            yield Entry(f"{block.name}.{TIME_BIAS}", shape, trained=f"backbone.blocks.{i}.time_bias.table")
