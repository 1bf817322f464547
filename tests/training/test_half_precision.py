"""Recipes in half precision, on encoders whose features look like real ones: they lose what fp32 loses."""

from typing import Any

import pytest
import torch

from video_adapters.commands.config import config_names

from helpers.real_features import losses

EXPERIMENTS = config_names("experiment")
QUICK = {  # one of each encoder family, and the one with running statistics
    "own_videos": [],  # CLIP
    "aim_ssv2_imagenet21k": [],
    "aim_swin_k400": [],
    "moving_shapes": ["+model.encoder.init_values=1e-5", "+model.encoder.reg_tokens=4"],  # like DINOv2
}
NARROW = ["adapter.width=32", "adapter.num_heads=2"]
BLOCKS = 4  # of every toy encoder


def pairs() -> list[Any]:
    """Every experiment in both types; by default bf16 of one of each family, and fp16 of the embedded data's."""
    return [
        pytest.param(name, half, marks=[] if name in quick else pytest.mark.slow, id=f"{name}-{kind}")
        for name in EXPERIMENTS
        for kind, half, quick in (("bf16", torch.bfloat16, QUICK), ("fp16", torch.float16, ("moving_shapes",)))
    ]


@pytest.mark.parametrize(("experiment", "half"), pairs())
def test_three_steps_in_half_precision_lose_what_fp32_loses(experiment: str, half: torch.dtype) -> None:
    """To the type's epsilon for every block, each of which rounds what it adds; statistics and losses add nothing."""
    more = [*QUICK.get(experiment, []), *(NARROW if experiment.startswith("side4video") else [])]
    ours, expected = losses(experiment, half, *more), losses(experiment, None, *more)
    torch.testing.assert_close(ours, expected, rtol=BLOCKS * torch.finfo(half).eps, atol=0)
