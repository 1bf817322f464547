import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from video_adapters.model.finite_weights import NotFinite
from video_adapters.pretraining.make_encoder import make_encoder
from video_adapters.pretraining.pretrain import (
    Reader,
    Recipe,
    pretrain,
    save_encoder,
    scale_residual,
    still_loss,
    target_mask,
    to_input,
)
from video_adapters.pretraining.probe import PROPERTIES, probe
from video_adapters.pretraining.stills import TARGETS, draw_stills

from helpers.toy import composed

PROJECT = Path(__file__).parents[2]
MODELS = ["shapes_vit", "shapes_swin"]


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
    mask = target_mask(stills)
    hidden = ~torch.from_numpy(stills.visible)
    assert hidden.any()
    assert mask[~hidden].all()
    assert mask[hidden].sum(0).nonzero().flatten().tolist() == [TARGETS.index("opacity")]


def test_the_loss_of_a_perfect_reading_is_zero_whatever_it_says_of_hidden_things() -> None:
    stills = draw_stills(np.random.default_rng(0), 100, 8)
    sure = 100 * nn.functional.one_hot(torch.from_numpy(stills.shape), 6).float()
    reading = torch.where(target_mask(stills), torch.from_numpy(stills.targets), 9.0)
    assert still_loss((reading, sure), stills).item() == pytest.approx(0, abs=1e-6)
    wrong = reading.clone()
    wrong[0, TARGETS.index("opacity")] += 1
    assert still_loss((wrong, sure), stills).item() == pytest.approx(1 / target_mask(stills).sum().item())


def test_a_recipe_that_learns_nothing_is_refused() -> None:
    for name in ("steps", "batch_size"):
        sizes = {"steps": 1, "batch_size": 1, name: 0}
        with pytest.raises(ValueError, match=rf"recipe\.{name} is 0, expected at least 1"):
            Recipe(**sizes, learning_rate=1.0, warmup_steps=0, weight_decay=0.0, seed=0)


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


def test_training_that_comes_to_nan_ends_and_writes_nothing(tmp_path: Path) -> None:
    recipe = Recipe(steps=5, batch_size=4, learning_rate=1e30, warmup_steps=0, weight_decay=0.0, seed=0)
    torch.manual_seed(0)
    reader = Reader(nn.Sequential(nn.Flatten(), nn.Linear(192, 8)), 8)
    with pytest.raises(NotFinite, match=r"step \d has the loss .* at a rate of .*Try a smaller recipe.learning_rate"):
        pretrain(reader, 8, recipe, lambda step, loss: None)
    with pytest.raises(NotFinite, match=r"the encoder, not written: .* not finite"):
        save_encoder(nn.ParameterDict({"a": nn.Parameter(torch.tensor(torch.nan))}), tmp_path / "a.safetensors", {})
    assert not any(tmp_path.iterdir())


def test_a_probe_finds_what_is_there_and_nothing_where_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(generator: np.random.Generator, count: int, image_size: int):
        """Stills whose first pixels say x, to 1/255, and nothing else."""
        stills = draw_stills(generator, count, image_size)
        images = generator.integers(0, 255, stills.images.shape).astype(np.uint8)
        images[:, 0, 0] = np.rint((stills.targets[:, :1] + 1) * 127.5)
        return stills._replace(images=images)

    monkeypatch.setattr("video_adapters.pretraining.probe.draw_stills", told)
    monkeypatch.setitem(PROPERTIES, "x", ("x",))
    quality = probe(Copies(), 8, 600, 300)
    assert quality["x"] > 0.999
    assert 0.4 < quality["position"] < 0.6
    assert abs(quality["angle"]) < 0.1
    assert quality["shape"] < 0.35


def network(model: str) -> nn.Module:
    """The network that pretraining makes, untrained."""
    return instantiate(composed(f"model={model}", config="pretrain").model.encoder, _convert_="all")()


def swin_tokens(net: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """What enters the first block, and what leaves each stage."""
    tokens = [net.patch_embed(images)]
    for stage in net.layers:
        tokens.append(stage(tokens[-1]))
    return tokens


TOKENS: dict[str, Callable[[nn.Module, torch.Tensor], list[torch.Tensor]]] = {
    "shapes_vit": lambda net, images: net.forward_intermediates(images, intermediates_only=True, output_fmt="NLC"),
    "shapes_swin": swin_tokens,
}


@pytest.mark.parametrize("model", MODELS)
def test_a_scaled_residual_sum_leaves_the_feature_as_it_was(model: str) -> None:
    torch.manual_seed(0)
    net = network(model).double().eval()
    for name, parameter in net.named_parameters():
        nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.3)
    for norm in (module for module in net.modules() if isinstance(module, nn.LayerNorm)):
        norm.eps = 0.0  # without which the norms undo any factor
    images = torch.randn(3, 3, 40, 40, dtype=torch.double)
    feature, tokens = net(images), TOKENS[model](net, images)
    scale_residual(net, 0.25)
    for before, after in zip(tokens, TOKENS[model](net, images), strict=True):
        torch.testing.assert_close(after, before / 4)
    torch.testing.assert_close(net(images), feature)


SHORT = ["recipe.steps=2", "recipe.batch_size=4", "probe.num_fit=200", "probe.num_held_out=50"]


@pytest.mark.parametrize("model", MODELS)
def test_weights_are_written_that_training_loads_and_say_how_they_were_made(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tiny.safetensors"
    make_encoder(composed(f"model={model}", *SHORT, f"output={file}", config="pretrain"), "python as typed")
    assert "angle" in capsys.readouterr().out
    instantiate(composed(f"model={model}", f"model.weights={file}").model, _convert_="all")  # strict
    with safe_open(file, "pt") as opened:
        facts = opened.metadata()
    assert facts["made by"] == "python as typed"
    assert "linear probe, position" in facts


@pytest.mark.slow
def test_the_command_keeps_what_was_typed(tmp_path: Path) -> None:
    words = ["src/pretrain.py", "model=shapes_swin", *SHORT, f"output={tmp_path}/tiny.safetensors"]
    done = subprocess.run(
        [sys.executable, *words, f"hydra.run.dir={tmp_path}"],
        cwd=PROJECT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with safe_open(tmp_path / "tiny.safetensors", "pt") as opened:
        assert opened.metadata()["made by"].startswith(f"python {shlex.join(words)}")


@pytest.mark.parametrize("model", MODELS)
def test_without_an_output_the_file_that_ships_is_made(model: str) -> None:
    assert composed(f"model={model}", config="pretrain").output == f"weights/{model}.safetensors"


@pytest.mark.parametrize("model", ["toy_vit", "clip_vit_b16"])
def test_a_model_that_names_no_file_needs_an_output(model: str) -> None:
    with pytest.raises(ValueError, match="expected a file to write"):
        make_encoder(composed(f"model={model}", config="pretrain"), "")


@pytest.mark.parametrize("model", ["shapes_vit", pytest.param("shapes_swin", marks=pytest.mark.slow)])
def test_the_shipped_weights_tell_where_how_large_how_turned_and_how_visible_things_are(model: str) -> None:
    cfg = composed(f"model={model}", config="pretrain")
    file = PROJECT / cfg.model.weights
    net = network(model)
    net.load_state_dict(load_file(file))
    assert file.stat().st_size < 8e6
    quality = probe(net, cfg.data.image_size, num_fit=1500, num_held_out=200)
    lowest = {"position": 0.92, "size": 0.75, "opacity": 0.85, "angle": 0.65, "distance": 0.88, "shape": 0.6}
    assert {name: round(quality[name], 3) for name, least in lowest.items() if quality[name] < least} == {}


@pytest.mark.parametrize("model", MODELS)
def test_training_gives_the_shipped_encoders_the_pixels_that_they_learned_from(model: str) -> None:
    encoder = instantiate(composed(f"model={model}").model, _convert_="all")
    assert encoder.mean == encoder.std == (0.5, 0.5, 0.5)  # as to_input has it
