import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import pretrain as command
from video_adapters.data.stills import TARGETS, draw_stills
from video_adapters.training.pretrain import (
    PROPERTIES,
    Reader,
    Recipe,
    asked,
    pretrain,
    probe,
    scale_residual,
    still_loss,
    to_input,
)

CONFIGS = Path(command.__file__).parents[1] / "configs"
WEIGHTS = CONFIGS.parent / "weights" / "shapes_vit.safetensors"


class Copies(nn.Module):
    """An "encoder" that passes on the pixels' first values: stills in, what was hidden in them out."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :8]


def test_pixels_reach_the_encoder_between_minus_one_and_one_channels_first() -> None:
    images = np.zeros((2, 4, 5, 3), np.uint8)
    images[..., 1] = 255
    given = to_input(images)
    assert given.shape == (2, 3, 4, 5)
    assert given[:, 1].eq(1).all()
    assert given[:, 0].eq(-1).all()


def test_of_an_invisible_thing_only_the_opacity_is_asked() -> None:
    stills = draw_stills(np.random.default_rng(0), 200, 8)
    mask = asked(stills)
    hidden = ~torch.from_numpy(stills.visible)
    assert hidden.any()
    assert mask[~hidden].all()
    assert mask[hidden].sum(0).nonzero().flatten().tolist() == [TARGETS.index("opacity")]


def test_the_loss_of_a_perfect_reading_is_zero_whatever_it_says_of_hidden_things() -> None:
    stills = draw_stills(np.random.default_rng(0), 100, 8)
    sure = 100 * nn.functional.one_hot(torch.from_numpy(stills.shape), 6).float()
    reading = torch.where(asked(stills), torch.from_numpy(stills.targets), 9.0)
    assert still_loss((reading, sure), stills).item() == pytest.approx(0, abs=1e-6)
    wrong = reading.clone()
    wrong[0, TARGETS.index("opacity")] += 1
    assert still_loss((wrong, sure), stills).item() == pytest.approx(1 / asked(stills).sum().item())


def test_the_rate_rises_linearly_and_falls_to_zero_by_a_half_cosine() -> None:
    recipe = Recipe(steps=110, batch_size=1, learning_rate=2.0, warmup_steps=10, weight_decay=0, seed=0)
    assert [recipe.rate_at(step) for step in (0, 4, 9)] == pytest.approx([0.2, 1.0, 2.0])
    assert recipe.rate_at(10) == pytest.approx(2.0)
    assert recipe.rate_at(60) == pytest.approx(1.0)
    assert recipe.rate_at(110) == pytest.approx(0.0)


def test_training_lowers_the_loss_and_repeats_itself() -> None:
    recipe = Recipe(steps=30, batch_size=16, learning_rate=1e-2, warmup_steps=2, weight_decay=0.05, seed=3)
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        losses: list[float] = []
        reader = Reader(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.GELU()), 16)
        pretrain(reader, 8, recipe, lambda _, loss, losses=losses: losses.append(loss))
        runs.append(losses)
    assert runs[0] == runs[1]
    assert len(runs[0]) == recipe.steps
    assert np.mean(runs[0][-5:]) < 0.95 * np.mean(runs[0][:5])


def test_a_probe_finds_what_is_there_and_nothing_where_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(generator: np.random.Generator, count: int, image_size: int):
        """Stills whose first pixels say x, to 1/255, and nothing else."""
        stills = draw_stills(generator, count, image_size)
        images = generator.integers(0, 255, stills.images.shape).astype(np.uint8)
        images[:, 0, 0] = np.rint((stills.targets[:, :1] + 1) * 127.5)
        return stills._replace(images=images)

    monkeypatch.setattr("video_adapters.training.pretrain.draw_stills", told)
    monkeypatch.setitem(PROPERTIES, "x", ("x",))
    quality = probe(Copies(), 8, 600, 300)
    assert quality["x"] > 0.999
    assert 0.4 < quality["position"] < 0.6
    assert abs(quality["angle"]) < 0.1
    assert quality["shape"] < 0.35


def test_a_scaled_residual_sum_leaves_the_feature_as_it_was() -> None:
    torch.manual_seed(0)
    encoder = shipped_architecture().double().eval()
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    images = torch.randn(3, 3, 40, 40, dtype=torch.double)
    before, tokens = encoder(images), encoder._pos_embed(encoder.patch_embed(images))
    scale_residual(encoder, 0.25)
    torch.testing.assert_close(encoder._pos_embed(encoder.patch_embed(images)), tokens / 4)
    torch.testing.assert_close(encoder(images), before, atol=1e-4, rtol=0)  # apart from the norms' epsilon


def run_command(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    monkeypatch.setattr(
        sys, "argv", ["src/pretrain.py", *overrides, "hydra/job_logging=none", "hydra/hydra_logging=none"]
    )
    command.main()


def test_the_command_writes_weights_that_timm_loads_and_says_how_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = ["recipe.steps=2", "recipe.batch_size=4", "probe.num_fit=200", "probe.num_held_out=50"]
    run_command(monkeypatch, *steps, f"output={tmp_path}/tiny.safetensors", f"hydra.run.dir={tmp_path}")
    assert "angle" in capsys.readouterr().out
    shipped_architecture().load_state_dict(load_file(tmp_path / "tiny.safetensors"))
    with safe_open(tmp_path / "tiny.safetensors", "pt") as file:
        facts = file.metadata()
    assert facts["made by"].startswith("python src/pretrain.py recipe.steps=2")
    assert "linear probe, position" in facts


def shipped_architecture() -> nn.Module:
    return instantiate(OmegaConf.load(CONFIGS / "pretrain.yaml").encoder)


def test_the_model_config_describes_the_encoder_that_pretraining_makes() -> None:
    pretrained, data = (OmegaConf.load(CONFIGS / name) for name in ("pretrain.yaml", "data/moving_shapes.yaml"))
    made, used = dict(pretrained.encoder), OmegaConf.load(CONFIGS / "model" / "shapes_vit.yaml").encoder
    assert made.pop("img_size") == pretrained.image_size == data.image_size
    assert {key: used[key] for key in made} == made
    assert used.pretrained_cfg_overlay == {"mean": [0.5] * 3, "std": [0.5] * 3}  # as to_input has it


def test_the_shipped_weights_tell_where_how_large_how_turned_and_how_visible_things_are() -> None:
    encoder = shipped_architecture()
    assert type(encoder) is timm.models.VisionTransformer
    encoder.load_state_dict(load_file(WEIGHTS))
    assert WEIGHTS.stat().st_size < 8e6
    quality = probe(encoder, encoder.patch_embed.img_size[0], num_fit=1500, num_held_out=200)
    lowest = {"position": 0.92, "size": 0.75, "opacity": 0.85, "angle": 0.65, "distance": 0.88, "shape": 0.6}
    assert {name: round(quality[name], 3) for name, least in lowest.items() if quality[name] < least} == {}
