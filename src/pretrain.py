"""Train the small image encoder of `data=moving_shapes` on stills: python src/pretrain.py"""

import shlex
import sys
from pathlib import Path

import hydra
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from video_adapters.training.pretrain import Reader, Recipe, pretrain, probe, save_encoder, scale_residual

PROJECT = Path(__file__).parents[1]


@hydra.main(version_base=None, config_path=str(PROJECT / "configs"), config_name="pretrain")
def main(config: DictConfig) -> None:
    recipe: Recipe = instantiate(config.recipe)
    torch.manual_seed(recipe.seed)
    encoder = instantiate(config.encoder)
    reader = Reader(encoder, encoder.num_features)
    train_with_progress(reader, config.image_size, recipe)
    scale_residual(encoder, config.residual_scale)
    quality = probe(encoder, config.image_size, **config.probe)
    facts = {f"linear probe, {name}": f"{value:.3f}" for name, value in quality.items()}
    facts["made by"] = shlex.join(["python", "src/pretrain.py", *sys.argv[1:]])
    facts["mean and std"] = "0.5"
    save_encoder(encoder, PROJECT / config.output, facts)
    show(quality, PROJECT / config.output)


def train_with_progress(reader: Reader, image_size: int, recipe: Recipe) -> None:
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


def show(quality: dict[str, float], path: Path) -> None:
    table = Table("property", "R^2, for the shape accuracy", title="Linear probes of the frozen class token")
    for name, value in quality.items():
        table.add_row(name, f"{value:.3f}")
    Console().print(table, f"weights: {path}")


if __name__ == "__main__":
    main()
