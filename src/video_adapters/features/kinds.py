"""Features of a frame, made of the tokens that leave a block: class token, mean of the patches, the library's own."""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from video_adapters.model.backbone import Backbone
from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.encoders.pooling import pool_of

TOKENS = "tokens"  # every one behind the final norm, of which heads on tokens read
LEAVING = "leaving"  # every one as it leaves its block, of which a network beside the encoder reads
EVERY_TOKEN = (TOKENS, LEAVING)  # kinds that are kept by themselves, in half the memory
BOTH = "both"  # the class token and the mean of the patches, put together when they are read
OWN = "pooled"  # what the encoder's library makes of the tokens, where that is not the class token


def kinds_of(encoder: Encoder) -> tuple[str, ...]:
    """What is kept of a frame's tokens, the library's own way to pool them first."""
    own = () if encoder.reads_class_token else (OWN,)
    return (*own, *(("class",) if encoder.class_token else ()), "patches")


def kept_for(encoder: Encoder) -> tuple[str, ...]:
    """The kinds that are kept when this encoder's `pool` is asked for: all, or one that no other goes with."""
    kinds, asked = kinds_of(encoder), encoder.pool_kind
    return kinds if asked in (None, BOTH, *kinds) else (str(asked),)


def asked_kind(encoder: Encoder) -> str:
    """The kind that `encoder.pool` gives."""
    return encoder.pool_kind or kinds_of(encoder)[0]


def width_of(encoder: Encoder, kinds: Collection[str]) -> int:
    """D of the kinds that are kept together."""
    of_tokens = (OWN, *EVERY_TOKEN)
    (width,) = {
        encoder.blocks[-1].width if kind in of_tokens else pool_of(encoder, kind).width(encoder) for kind in kinds
    }
    return width


def default_layers(encoder: Encoder) -> tuple[int, ...]:
    """Blocks at 1/2, 3/4 and the end of the depth, counted from 1, as far as they have the last one's width."""
    depth, first = sum(encoder.depths), _first(encoder)
    return tuple(sorted({n for n in (round(depth / 2), round(depth * 3 / 4), depth) if n >= first}))


def check_layers(encoder: Encoder, layers: Collection[int]) -> tuple[int, ...]:
    """The blocks, counted from 1, in order.

    Raises:
        ValueError: for none, or one that is not there or whose tokens the final norm does not fit.
    """
    first, depth = _first(encoder), sum(encoder.depths)
    if not layers or any(isinstance(n, bool) or not isinstance(n, int) or not first <= n <= depth for n in layers):
        why = ": the final norm fits those of the last stage alone" if first > 1 else ""
        raise ValueError(
            f"features.layers is {list(layers)}, expected blocks from {first} to {depth}, counted from 1, or null{why}"
        )
    return tuple(sorted({*layers}))


def features_of(
    backbone: Backbone, clips: Tensor, layers: Collection[int], kinds: Sequence[str]
) -> Iterator[tuple[int, Tensor]]:
    """What a backbone says of clips, block by block, behind the final norm or, for `leaving`, ahead of any:
    (B, frames, 3, H, W) -> (B, P, T, D) each for P kinds, or (B, T, N, D) of all tokens, in float32."""
    for layer, x in backbone.leaving(clips, layers):
        values = _taken(backbone.encoder, x, kinds).unflatten(0, (len(clips), -1))
        yield layer, (values if kinds[0] in EVERY_TOKEN else values.transpose(1, 2)).float()


def _taken(encoder: Encoder, x: Tensor, kinds: Sequence[str]) -> Tensor:
    """(B*T, ..., D) -> (B*T, P, D) or, of all tokens, (B*T, N, D)."""
    if kinds[0] in EVERY_TOKEN:
        return (encoder.final_norm(x) if kinds[0] == TOKENS else x).flatten(1, -2)
    return torch.stack([encoder.pool_as(x, None if kind == OWN else kind) for kind in kinds], 1)


def _first(encoder: Encoder) -> int:
    """The first block whose tokens are as wide as the last one's."""
    width = encoder.blocks[-1].width
    return 1 + next(i for i, block in enumerate(encoder.blocks) if block.width == width)
