"""Measures how long probes take on features like those of some thousand videos, and on the embedded data set.

python benchmarks/probes.py                # 1500 clips of 8 frames and 384 channels, 2 threads
python benchmarks/probes.py --embedded     # from rendered videos to a tested probe too
python benchmarks/probes.py --write        # the same, into benchmarks/README.md
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from video_adapters.data.shapes.moving_shapes import MovingShapes
from video_adapters.features.probing.folds import Fold, folds
from video_adapters.features.probing.head_fitting import set_statistics
from video_adapters.features.probing.ridge import Ridge
from video_adapters.features.probing.side_by_side import Probes, Recipe
from video_adapters.model.heads.head import Head
from video_adapters.model.heads.linear_in_order import LinearInOrderHead
from video_adapters.model.heads.map import MapHead

from trained import put, train

DOCUMENT = Path(__file__).parent / "README.md"
CLIPS, TIMES, WIDTH, CLASSES, PEOPLE = 1500, 8, 384, 10, 25
PENALTIES = [30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01]
LINEAR = [Recipe(*pair) for pair in product([3e-4, 1e-3, 3e-3, 1e-2, 3e-2], [0, 1e-3, 1e-2, 0.1, 0.3, 1, 3, 10])]
QUERY = [Recipe(*pair) for pair in product([3e-4, 1e-3, 3e-3, 1e-2], [0.01, 0.1])]


def main() -> None:
    """Measures, prints, and writes where asked."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    rows = list(measured())
    if arguments.embedded or arguments.write:
        rows.append(("from rendered videos to a tested probe on the embedded data set", "90 s", embedded()))
    text = "\n".join(
        [f"{arguments.threads} threads:", "", "| what | limit | took |", "|---|--:|--:|"]
        + [f"| {what} | {limit} | {seconds:.0f} s |" for what, limit, seconds in rows]
    )
    print(text)
    if arguments.write:
        put(text, "probes", DOCUMENT)


def measured() -> Iterator[tuple[str, str, float]]:
    """What, the most that it may take, and the seconds that it takes."""
    torch.manual_seed(0)
    labels = torch.arange(CLIPS) % CLASSES
    layers = [features(labels) for _ in range(3)]
    people = [f"person{i // CLASSES % PEOPLE}" for i in range(CLIPS)]
    divided = folds(labels.numpy(), np.zeros(CLIPS, bool), people, count=6)
    yield "closed form: 3 layers, 8 penalties, 6 folds", "20 s", timed(lambda: closed_form(layers, labels, divided))
    heads: list[tuple[str, str, Head, list[Recipe]]] = [
        ("linear", "30 s", LinearInOrderHead(WIDTH, CLASSES, TIMES), LINEAR),
        ("map", "3 min", MapHead(WIDTH, CLASSES, TIMES), QUERY),
    ]
    for name, limit, head, recipes in heads:
        what = f"{len(recipes)} {name} probes, 20 epochs"
        yield what, limit, timed(lambda: side_by_side(head, recipes, layers[0], labels))  # noqa: B023 (called at once)


def features(labels: Tensor) -> Tensor:
    """Features like real ones, which hardly differ, and tell classes apart somewhat: (N, T, D)."""
    told = torch.randn(CLASSES, TIMES, WIDTH)[labels]
    return 20 + 0.003 * (torch.randn(CLIPS, TIMES, WIDTH) + 0.1 * told)


def closed_form(layers: list[Tensor], labels: Tensor, divided: list[Fold]) -> None:
    for layer in layers:
        for fit, held_out in divided:
            x = layer.flatten(1)
            Ridge(x[fit], labels[fit], CLASSES).scores(x[held_out], PENALTIES)


def side_by_side(head: Head, recipes: list[Recipe], x: Tensor, labels: Tensor) -> None:
    set_statistics(head, x)
    Probes(head, recipes).train(x, labels, epochs=20, per_step=64)


def embedded() -> float:
    """Seconds of a whole run, from its command to its scores; the videos are there."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "moving_shapes")
        MovingShapes(str(root)).prepare()
        overrides = ["experiment=moving_shapes_probe", f"data.root={root}", f"features.root={folder}/features"]
        return timed(lambda: train(overrides, Path(folder, "run")))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="of torch (2)")
    parser.add_argument("--embedded", action="store_true", help="measure a run on the embedded data set too")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
