"""Size of each adapter's output beside what passes by it."""

from contextlib import ExitStack
from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from video_adapters.model.adapters.adapted_block import running
from video_adapters.model.adapters.adapter import Adapter, LinearAdapter
from video_adapters.model.adapters.aim import AimBlock
from video_adapters.model.adapters.st_adapter import TemporalConvolution
from video_adapters.model.backbone import Backbone

SITES = (
    "temporal_in", "temporal", "before_attention", "spatial", "after_attention", "before_mlp", "after_mlp", "joint",
)  # fmt: skip
"""Names of adapters in their blocks, in the order in which a token passes them."""

_INTO_THE_STREAM = ("temporal", "joint")
"""Sites whose adapters add to the tokens themselves; the others add to their own input, before it gets there."""


@torch.inference_mode()
def contributions(backbone: Backbone, clips: Tensor) -> pd.DataFrame:
    """Norm of each adapter's branch relative to what it is added to, mean over tokens, as a share.

    That is its own input (a norm's or an attention's output) or, for `temporal` and `joint`, the tokens that enter the
    block.

    Args:
        backbone: with adapters that are branches: AIM's, ZeroI2V's and ST-Adapters.
        clips: (B, T, 3, H, W).

    Returns: a row per block (from 0), a column per site, missing where a block has no adapter there. No columns: the
        method has no branches of these kinds.
    """
    rows: list[dict[str, float]] = [{} for _ in backbone.blocks]
    with ExitStack() as hooks:
        for block, row in zip(backbone.blocks, rows, strict=True):
            _measure(block, row, hooks)
        # no adapter makes one layer with the attention's last one: what enters it is to be seen
        hooks.enter_context(running(backbone.blocks, fuse=False))
        backbone.features(clips.to(backbone.mean.device))
    table = pd.DataFrame(rows).rename_axis("block")
    return table[[site for site in SITES if site in table]]


def _measure(block: nn.Module, row: dict[str, float], hooks: ExitStack) -> None:
    """Has a block put the size of what each adapter adds, over that of what it is added to, into its row."""
    entering: list[Tensor] = []

    def enter(block: nn.Module, args: tuple[Tensor, ...]) -> None:
        entering[:] = [args[0]]

    def measure(site: str, scale: float, adapter: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        added = out - args[0] if isinstance(adapter, TemporalConvolution) else scale * out  # that one keeps its skip
        # the last block may go on with its first tokens alone
        base = entering[0][:, : out.shape[1]] if site in _INTO_THE_STREAM else args[0]
        row[site] = _size(added) / _size(base)

    hooks.enter_context(block.register_forward_pre_hook(enter))
    for site, adapter in block.named_children():
        if isinstance(adapter, Adapter | LinearAdapter | TemporalConvolution):
            scale = block.scale if site == "joint" and isinstance(block, AimBlock) else 1.0
            hooks.enter_context(adapter.register_forward_hook(partial(measure, site, scale)))


def _size(tokens: Tensor) -> float:
    """Mean Euclidean norm of tokens (..., D)."""
    return float(tokens.float().norm(dim=-1).mean())
