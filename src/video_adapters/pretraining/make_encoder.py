"""A small image encoder from nothing: trained on stills, probed, written to the file that `configs/model` names."""

from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import Progress

from video_adapters.commands.config import PROJECT
from video_adapters.commands.terminal import summary
from video_adapters.pretraining.pretrain import Reader, Recipe, pretrain, save_encoder, scale_residual
from video_adapters.pretraining.probe import probe


def make_encoder(cfg: DictConfig, command: str) -> None:
    """Trains the network of a composed `configs/pretrain.yaml`, writes its weights and shows its probes.

    The command that was typed is kept in the file's header, together with the probes.

    Raises:
        ValueError: where `output` is no safetensors file.
    """
    if Path(cfg.output or "").suffix != ".safetensors":
        raise ValueError(f"output is {cfg.output}, expected a file to write, such as output=weights/mine.safetensors")
    path = PROJECT / cfg.output
    recipe: Recipe = instantiate(cfg.recipe)
    torch.manual_seed(recipe.seed)
    encoder = instantiate(cfg.model.encoder, _convert_="all")()
    _train_with_progress(Reader(encoder, encoder.num_features), cfg.data.image_size, recipe)
    scale_residual(encoder, cfg.residual_scale)
    quality = probe(encoder, cfg.data.image_size, **cfg.probe)
    rows = {name: f"{value:.3f}" for name, value in quality.items()}
    facts = {f"linear probe, {name}": value for name, value in rows.items()}
    save_encoder(encoder, path, facts | {"made by": command, "mean and std": "0.5"})
    summary("Linear probes of the frozen feature: R^2, for the shape accuracy", rows | {"weights": str(path)})


def _train_with_progress(reader: Reader, image_size: int, recipe: Recipe) -> None:
    losses: list[float] = []
    console = Console()
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("Stills", total=recipe.steps)

        def report(step: int, loss: float) -> None:
            losses.append(loss)
            recent = float(np.mean(losses[-100:]))
            progress.update(task, advance=1, description=f"Stills, loss {recent:.3f}")
            if not console.is_terminal and (step + 1) % 500 == 0:
                console.print(f"step {step + 1} of {recipe.steps}, loss {recent:.3f}")

        pretrain(reader, image_size, recipe, report)
