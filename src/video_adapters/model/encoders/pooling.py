"""Ways from the tokens of a frame to its feature, beside that of the encoder's own library."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from video_adapters.commands.wording import did_you_mean

if TYPE_CHECKING:
    from video_adapters.model.encoders.encoder import Encoder


class Pool(NamedTuple):
    """One way from the tokens of a frame to its feature."""

    feature: Callable[["Encoder", Tensor], Tensor]  # what leaves a block, (B*T, ..., D) -> (B*T, width)
    width: Callable[["Encoder"], int]  # of the feature
    pooled: Callable[["Encoder"], int | None]  # how many tokens of a frame, from the first, it reads; None: all
    lacks: Callable[["Encoder"], str | None]  # what an encoder would need for it and has not; None where it has all


def _class_token(encoder: "Encoder", x: Tensor) -> Tensor:
    return encoder.final_norm(x[:, 0])


def _patch_mean(encoder: "Encoder", x: Tensor) -> Tensor:
    return encoder.final_norm(x).flatten(1, -2)[:, encoder.prefix :].mean(1)


def _both(encoder: "Encoder", x: Tensor) -> Tensor:
    return torch.cat((_class_token(encoder, x), _patch_mean(encoder, x)), dim=-1)


def _projected(encoder: "Encoder", x: Tensor) -> Tensor:
    feature: Tensor = encoder.projection(encoder.pool_as_published(x))
    return feature


def _token_width(encoder: "Encoder") -> int:
    return encoder.blocks[-1].width


def _no_class_token(encoder: "Encoder") -> str | None:
    return None if encoder.class_token else "class token"


def _shared_width(encoder: "Encoder") -> int:
    assert encoder.shared is not None
    return encoder.shared.width


def _no_shared_space(encoder: "Encoder") -> str | None:
    return None if encoder.shared else "space shared with text"


POOLS: dict[str, Pool] = {
    "class": Pool(_class_token, _token_width, lambda _: 1, _no_class_token),
    "patches": Pool(_patch_mean, _token_width, lambda _: None, lambda _: None),
    "both": Pool(_both, lambda encoder: 2 * _token_width(encoder), lambda _: None, _no_class_token),
    "projected": Pool(_projected, _shared_width, lambda encoder: encoder.pooled_as_published, _no_shared_space),
}
"""By the names that `model.pool` has for them: the class token behind the final norm, the mean of the patch tokens
behind it, the one after the other, and the library's own feature in the space that it shares with text."""


def check_pool(kind: str | None) -> None:
    """Refuses a name that is none of a way to pool.

    Raises:
        ValueError: naming those that are.
    """
    if kind is not None and kind not in POOLS:
        near = did_you_mean(str(kind), POOLS)
        raise ValueError(f"model.pool is {kind!r}{near}; expected {', '.join(POOLS)}, or null: as the library pools")


def pool_of(encoder: "Encoder", kind: str) -> Pool:
    """A way to pool that an encoder has.

    Raises:
        ValueError: for an unknown one, and for one that this encoder lacks something for.
    """
    check_pool(kind)
    if missing := POOLS[kind].lacks(encoder):
        has = ", ".join(kind for kind, pool in POOLS.items() if not pool.lacks(encoder))
        raise ValueError(f"model.pool={kind} needs the {missing}, but this encoder has none; it has: {has} (or null)")
    return POOLS[kind]


def kinds(encoder: "Encoder") -> tuple[str, ...]:
    """The ways to pool that an encoder has as it is, beside its library's: `projected` where it was set to that."""
    without = ("projected",) if encoder.pool_kind != "projected" else ()
    return tuple(kind for kind, pool in POOLS.items() if kind not in without and not pool.lacks(encoder))
