"""A small image encoder from nothing: trained on stills, probed, written to the file that `configs/model` names."""

from pathlib import Path

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from video_adapters.commands.config import PROJECT
from video_adapters.commands.terminal import advancing, summary
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
    losses: list[float] = []
    with advancing("Stills", recipe.steps) as show:

        def report(step: int, loss: float) -> None:
            losses.append(loss)
            show(step + 1)

        pretrain(Reader(encoder, encoder.num_features), cfg.data.image_size, recipe, report)
    scale_residual(encoder, cfg.residual_scale)
    quality = probe(encoder, cfg.data.image_size, **cfg.probe)
    rows = {name: f"{value:.3f}" for name, value in quality.items()}
    facts = {f"linear probe, {name}": value for name, value in rows.items()}
    save_encoder(encoder, path, facts | {"made by": command, "mean and std": "0.5"})
    rows |= {"loss at the end": f"{np.mean(losses[-100:]):.3f}", "weights": str(path)}
    summary("Linear probes of the frozen feature: R^2, for the shape accuracy", rows)
