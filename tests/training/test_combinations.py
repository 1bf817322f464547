"""Every encoder family with every adapter method, through training, checkpoint and evaluation."""

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from video_adapters.commands.config import config_names
from video_adapters.model.build import build_classifier, build_outline

from helpers.rounding import BLOCK, rounding
from helpers.toy import composed, run, score

ENCODERS = ("toy_vit", "toy_clip", "toy_eva", "toy_swin")  # one for each family
ADAPTERS = config_names("adapter")
WINDOWS = r"adapter=video_swin widens the windows of a Swin, .*; take a Swin, such as"
ONE_GRID = r"adapter=side4video reads one grid of tokens from all blocks, .*; take a ViT, such as"
NO_MIXING = r"adapter=zeroi2v shifts .* SwinTransformerBlock, .*; take a ViT, such as"
MAKE_NO_SENSE = {
    **{(model, "video_swin"): WINDOWS for model in ENCODERS if model != "toy_swin"},
    **{("toy_swin", adapter): ONE_GRID for adapter in ADAPTERS if adapter.startswith("side4video")},
    **{("toy_swin", adapter): NO_MIXING for adapter in ADAPTERS if adapter.startswith("zeroi2v")},
}
PAIRS = [(model, adapter) for model in ENCODERS for adapter in ADAPTERS if (model, adapter) not in MAKE_NO_SENSE]
QUICK = {("toy_vit", "aim"), ("toy_swin", "lora")}
"""Trained by default; every experiment is besides, with its own method."""
SPACE_ONLY = {"frozen", "none", "spatial", "full_tuning", "adaptformer"}  # LoRA says so in its own tests


def is_slow(model: str, adapter: str) -> bool:
    """Of what is otherwise quick: the family that AIM stands for, the wide form of what has a narrow one too, and the
    forms of a method that differ in numbers, but for one family."""
    of_numbers = adapter in ("aim_shapes", "aim_ssv2", "zeroi2v_ssv2", "spatial")
    return adapter == "side4video" or (model == "toy_eva" and adapter != "aim") or (of_numbers and model != "toy_vit")


@pytest.mark.parametrize(
    ("model", "adapter"),
    [pytest.param(*pair, marks=[] if pair in QUICK else pytest.mark.slow) for pair in PAIRS],
)
def test_all_that_makes_sense_trains_a_step_saves_loads_and_evaluates(
    model: str, adapter: str, shapes: list[str], tmp_path: Path
) -> None:
    chosen = [f"model={model}", f"adapter={adapter}", "data.max_videos=4", "batch.per_step=4", "test=true"]
    trained = run(tmp_path / "run", *shapes, *chosen, "trainer.max_steps=1")
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    before = build_classifier(OmegaConf.load(tmp_path / "run" / "config.yaml")).trainable()
    state = torch.load(best, weights_only=True)["state_dict"]
    assert {name.removeprefix("classifier.") for name in state} == before.keys()
    scored = score(tmp_path / "eval", f"checkpoint={best}")
    assert scored["test/videos"] == 4
    assert scored["test/loss"] == pytest.approx(trained["test/loss"], rel=1e-6)


@pytest.mark.parametrize(("model", "adapter"), sorted(MAKE_NO_SENSE))
def test_what_makes_no_sense_is_refused_in_a_sentence(
    model: str, adapter: str, shapes: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=MAKE_NO_SENSE[model, adapter]):
        run(tmp_path, *shapes, f"model={model}", f"adapter={adapter}")


@pytest.mark.slow
def test_own_videos_take_every_method() -> None:
    chosen = ["experiment=own_videos", "model=toy_vit", "data.image_size=40", "data.num_classes=3"]
    for adapter in sorted({adapter for model, adapter in PAIRS if model == "toy_vit"}):
        assert build_outline(composed(*chosen, f"adapter={adapter}", "data.root=videos")).trainable()


@pytest.mark.parametrize("tubelet", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("model", "adapter"),
    [pytest.param(*pair, marks=pytest.mark.slow if is_slow(*pair) else []) for pair in PAIRS],
)
def test_all_that_trains_gets_a_gradient_and_the_order_of_frames_shows_where_there_is_a_temporal_step(
    model: str, adapter: str, tubelet: int
) -> None:
    """A parameter without a gradient would stop DDP; a temporal embedding would show order to space-only models too."""
    cfg = composed(f"model={model}", f"adapter={adapter}", f"data.tubelet={tubelet}")
    classifier = build_classifier(cfg).train()
    clips = torch.randint(256, (1, 8, 3, 40, 40), dtype=torch.uint8)
    classifier(clips).sum().backward()
    assert [name for name, p in classifier.trainable().items() if p.grad is None] == []
    assert "head.linear.weight" in classifier.trainable()
    classifier.double().eval()  # so that rounding stands far from the least effect of an order
    features = classifier.backbone.features  # the head is in float32 throughout
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in classifier.trainable().values():
            p.add_(0.05 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
        forth, back = clips, clips.unflatten(1, (-1, tubelet)).flip(1).flatten(1, 2)
        seen = features(forth).mean(1)
        changed = (seen - features(back).mean(1)).abs().max().item()
    if adapter in SPACE_ONLY:
        assert changed < rounding(4 * BLOCK, seen.abs().max().item(), torch.float64)
        assert classifier.backbone.temporal_embedding is None
    elif classifier.backbone.temporal_embedding is not None or "time_bias" in "".join(classifier.trainable()):
        assert changed > 1e-9
