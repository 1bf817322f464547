"""Measures a training step of an experiment's model against a plain implementation of the published block.

    python benchmarks/step.py                                   # ViT-B/16, 8 frames, 1 clip, fp32, 2 threads
    python benchmarks/step.py --write                           # the same, into benchmarks/README.md
    python benchmarks/step.py experiment=aim_ssv2 data.num_frames=16 --clips 2

The ways take turns in one process, after their losses and gradients have been compared; weights are random.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from omegaconf import DictConfig
from plain import Plain
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from video_adapters.commands import command
from video_adapters.commands.config import compose_config
from video_adapters.model.build import build_classifier, build_outline, without_weights

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER / "README.md"
BEGIN, END = "<!-- step: written by step.py -->", "<!-- step: end -->"

WAYS = (
    "plain",
    "ours",
    "ours, recompute_mlp",
    "ours, adapters in the last half",
    "Side4Video instead",
    "Side4Video instead, its layers recomputed",
)
"""What is measured. Plain goes first, where the model has a plain form: the others are compared with it, but for those
of another method."""

MATRIX = (1576, 768, 3072)
"""The product that stands for the machine's rate: 8 frames of a ViT-B/16 through the first layer of its MLP."""


class Step(NamedTuple):
    """Seconds of one training step."""

    forward: float
    backward: float
    optimizer: float


class Way:
    """A model and its optimizer; a step on the same clips every time."""

    def __init__(self, name: str, overrides: list[str], clips: int, plain: bool = False) -> None:
        self.name = name
        cfg = composed(changed(name, overrides))
        torch.manual_seed(0)
        classifier = build_classifier(without_weights(cfg)).train()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():  # adapters that do something, so that a difference shows
            for parameter in classifier.trainable().values():
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
        self.parameters = list(classifier.trainable().values())
        self.optimizer: torch.optim.Optimizer = instantiate(cfg.optim, _convert_="all").build(classifier)
        self.model: nn.Module = Plain(classifier).train() if plain else classifier
        shape = (clips, cfg.data.num_frames, 3, cfg.data.image_size, cfg.data.image_size)
        self.clips = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        self.labels = torch.randint(cfg.data.num_classes, (clips,), generator=generator)

    def loss(self) -> Tensor:
        return F.cross_entropy(self.model(self.clips), self.labels)

    def step(self) -> Step:
        times = [time.perf_counter()]
        loss = self.loss()
        times.append(time.perf_counter())
        loss.backward()
        times.append(time.perf_counter())
        self.optimizer.step()
        self.optimizer.zero_grad()
        times.append(time.perf_counter())
        return Step(*(after - before for before, after in pairwise(times)))

    def results(self) -> list[Tensor]:
        """The loss and the gradients of all that trains."""
        loss = self.loss()
        return [loss.detach(), *torch.autograd.grad(loss, self.parameters)]

    def kept(self) -> int:
        """Bytes that autograd keeps for the backward pass beyond parameters, each storage once."""
        own = {tensor.untyped_storage().data_ptr() for tensor in self.model.state_dict().values()}
        found: dict[int, Tensor] = {}

        def pack(saved: Tensor) -> Tensor:
            if saved.untyped_storage().data_ptr() not in own:
                found[saved.untyped_storage().data_ptr()] = saved
            return saved

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
            self.loss()
        return sum(saved.untyped_storage().nbytes() for saved in found.values())

    def flops(self) -> int:
        """Of the products of one step, as they are computed."""
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            self.loss().backward()
        self.optimizer.zero_grad()
        return counter.get_total_flops()


class Row(NamedTuple):
    """A line of the table."""

    way: str
    step: Step  # medians
    ratio: float  # of the whole step to the plain one's: median over the repeats
    kept: int  # bytes
    kept_ratio: float
    peak: int  # bytes of the process at most, in one of its own
    rate: float  # share of the machine's rate of matrix products, over the whole step


def main() -> None:
    """Compares, measures, prints, and writes where asked."""
    arguments, overrides = _arguments()
    torch.set_num_threads(arguments.threads)
    command.read_environment()
    if arguments.peak:
        Way(arguments.peak, overrides, arguments.clips, arguments.peak == "plain").step()
        print(peak_size())
        return
    ways = list(built(overrides, arguments.clips))
    if ways[0].name == "plain":
        compare(ways, overrides, arguments.clips)
    rows = measure(ways, arguments.repeats, lambda name: _peak(name, arguments, overrides))
    text = markdown(rows, f"{' '.join(overrides)}, {arguments.clips} clip(s), fp32, {arguments.threads} threads")
    print(text)
    if arguments.write:
        write(text, DOCUMENT)


def built(overrides: list[str], clips: int) -> Iterator[Way]:
    """Every way that the experiment's model allows."""
    for name in WAYS:
        if "last half" in name and changed(name, overrides) == overrides:
            continue
        try:
            yield Way(name, overrides, clips, plain=name == "plain")
        except ValueError as error:
            if name.startswith("ours"):
                raise
            print(f"without a plain implementation: {error}" if name == "plain" else f"without {name}: {error}")


def changed(name: str, overrides: list[str]) -> list[str]:
    """The experiment's config as a way changes it."""
    if "recompute_mlp" in name:
        return [*overrides, "memory.recompute_mlp=true"]
    if "last half" in name:
        adapter = composed(overrides).adapter
        sites = ("temporal", "temporal_in", "spatial", "joint")
        return [*overrides, *(f"adapter.{site}=last_half" for site in sites if adapter.get(site) == "all")]
    if "Side4Video" in name:
        rest = [override for override in overrides if not override.startswith("adapter")]
        depth = len(build_outline(composed(overrides)).backbone.blocks)
        return [*rest, "adapter=side4video", f"memory.checkpoint_blocks={depth if 'recomputed' in name else 0}"]
    return overrides


def compare(ways: list[Way], overrides: list[str], clips: int) -> None:
    """Holds every way's loss and gradients against the plain ones of the same adapters.

    Raises:
        RuntimeError: where they differ by more than 1e-5 of the largest.
    """
    for way in ways:
        if not way.name.startswith("ours"):
            continue
        twin = Way(way.name, overrides, clips, plain=True) if "last half" in way.name else ways[0]
        for ours, plain in zip(way.results(), twin.results(), strict=True):
            if (ours - plain).abs().max() > 1e-5 * max(1.0, plain.abs().max().item()):
                raise RuntimeError(f"{way.name} differs from the plain implementation by {(ours - plain).abs().max()}")


def measure(ways: list[Way], repeats: int, peak: Callable[[str], int]) -> list[Row]:
    """The ways take turns; the first turn of each is not counted."""
    times: dict[str, list[Step]] = {way.name: [] for way in ways}
    rates = []
    for turn in range(repeats + 1):
        rates.append(matrix_rate())
        for way in ways:
            step = way.step()
            if turn:
                times[way.name].append(step)
    whole = {name: [sum(step) for step in steps] for name, steps in times.items()}
    kept = {way.name: way.kept() for way in ways}
    return [
        Row(
            way.name,
            Step(*(median(part) for part in zip(*times[way.name], strict=True))),
            median(ours / plain for ours, plain in zip(whole[way.name], whole[ways[0].name], strict=True)),
            kept[way.name],
            kept[way.name] / kept[ways[0].name],
            peak(way.name),
            way.flops() / median(whole[way.name]) / median(rates),
        )
        for way in ways
    ]


def matrix_rate() -> float:
    """Floating-point operations per second of a product that large, at its best of five."""
    rows, inner, columns = MATRIX
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - start)
    return 2 * rows * inner * columns / min(times)


def markdown(rows: list[Row], title: str) -> str:
    """The table, under what was measured."""
    lines = [
        f"`{title}`, torch {torch.__version__.split('+')[0]}:",
        "",
        "| way | forward s | backward s | optimizer s | time | kept MiB | kept | peak MiB | of the matrix rate |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        times = " | ".join(f"{seconds:.2f}" for seconds in row.step)
        lines.append(
            f"| {row.way} | {times} | {row.ratio:.2f} | {row.kept / 2**20:.0f} | {row.kept_ratio:.2f} "
            f"| {row.peak / 2**20:.0f} | {row.rate:.0%} |"
        )
    return "\n".join(lines)


def write(text: str, document: Path) -> None:
    """Puts the table between its marks."""
    before, _, rest = document.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def composed(overrides: list[str]) -> DictConfig:
    """The config that the command line of a training run would compose."""
    return compose_config("train", overrides)


def peak_size() -> int:
    """Most bytes that this process was resident with. (getrusage would count those of the process it came from too.)"""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _peak(name: str, arguments: Any, overrides: list[str]) -> int:
    """Peak memory of a process that makes one step of a way, and nothing else."""
    counts = ["--threads", str(arguments.threads), "--clips", str(arguments.clips)]
    command = [sys.executable, __file__, *overrides, *counts, "--peak", name]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="of the config, as train.py takes them (experiment=aim_k400)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (2)")
    parser.add_argument("--clips", type=int, default=1, help="a step (1)")
    parser.add_argument("--repeats", type=int, default=9, help="turns that are counted (9)")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--peak", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_intermixed_args()
    overrides = arguments.overrides
    if not any(override.startswith("experiment=") for override in overrides):
        overrides = ["experiment=aim_k400", *overrides]
    return arguments, [*overrides, "adapter.drop_path=0", "head.dropout=0"]


if __name__ == "__main__":
    main()
