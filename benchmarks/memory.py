"""Predicts the peak memory of training steps on the CPU, measures it, and tabulates both.

    python benchmarks/memory.py                    # a few minutes on two cores
    python benchmarks/memory.py --only "ViT, AIM"

Every row is two optimizer steps in fp32 of an experiment with a small encoder and large clips. The prediction is the
planner's trace, with the CPU's own kernels and without the model of CUDA's allocator; the measurement is the growth of
a process's resident memory. Linux only.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import torch
import torch._dynamo  # its 80 MiB would else be loaded in the middle of a measurement
from omegaconf import DictConfig
from torch import nn

from video_adapters.commands import command
from video_adapters.commands.config import compose_config
from video_adapters.memory.allocator import MIB, most_alive
from video_adapters.memory.step import Workload, record
from video_adapters.model.build import build_classifier, build_outline
from video_adapters.training.planning.trace import workload

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER / "README.md"
BEGIN, END = "<!-- memory: written by memory.py -->", "<!-- memory: end -->"

VIT = "model=toy_vit model.encoder.patch_size=16 model.encoder.embed_dim=192 model.encoder.depth=12 "
VIT += "model.encoder.num_heads=3 data.image_size=224"
CLIP = "model=toy_clip model.encoder.vision_cfg.patch_size=16 model.encoder.vision_cfg.width=192 "
CLIP += "model.encoder.vision_cfg.layers=12 model.encoder.vision_cfg.head_width=64 data.image_size=224"
SWIN = "model=toy_swin model.encoder.embed_dim=64 data.image_size=224 model.encoder.patch_size=4"


def recomputed(blocks: int) -> str:
    """The override that recomputes so many blocks."""
    return f"memory.checkpoint_blocks={blocks}"


HALF = "adapter.temporal=last_half adapter.spatial=last_half adapter.joint=last_half"

FRAMES = "data.num_frames=16"

CASES = {
    "ViT, AIM": f"experiment=aim_k400 {VIT} batch.per_device=3",
    "ViT, AIM, half of the blocks recomputed": f"experiment=aim_k400 {VIT} batch.per_device=6 {recomputed(6)}",
    "ViT, AIM, all recomputed": f"experiment=aim_k400 {VIT} batch.per_device=14 {recomputed(12)}",
    "ViT, AIM in the last half": f"experiment=aim_k400 {VIT} {HALF} batch.per_device=6",
    "CLIP's ViT, AIM on SSv2": f"experiment=aim_ssv2 {CLIP} batch.per_device=3",
    "ViT, full tuning": f"experiment=full_tuning_ssv2 {VIT} batch.per_device=4",
    "ViT, TimeSformer, half recomputed": f"experiment=timesformer_k400 {VIT} batch.per_device=6 {recomputed(6)}",
    "Swin, AIM": f"experiment=aim_swin_k400 {SWIN} {FRAMES} batch.per_device=3",
    "Swin, AIM, half recomputed": f"experiment=aim_swin_k400 {SWIN} {FRAMES} batch.per_device=5 {recomputed(2)}",
    "Swin, Video Swin": f"experiment=video_swin_k400 {SWIN} {FRAMES} batch.per_device=3",
}
"""Rows of the table and how to compose them."""


class Row(NamedTuple):
    """One case, in bytes beside the weights."""

    case: str
    predicted: int
    measured: int


def main() -> None:
    """Measures what the command line asks for."""
    arguments = _arguments()
    if arguments.measure:
        print(measure(composed(arguments.measure)))
        return
    rows = []
    for case in arguments.only:
        row = Row(case, predict(composed(case)), measure_apart(case))
        print(line(row), flush=True)
        rows.append(row)
    if len(rows) == len(CASES):
        write(rows, DOCUMENT)
        print(f"written to {DOCUMENT}")


def predict(cfg: DictConfig) -> int:
    """Bytes that two steps of a case need beside the weights, by a trace."""
    trace = record(workload(cfg, None, build_outline(cfg)), cfg.batch.per_device, None, update=None, scored=False)
    return most_alive(trace.steps(1)) - most_alive(trace.held)


def measure_apart(case: str) -> int:
    """What a process of its own measures, in which freed memory goes back to the system at once."""
    variables = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0"}
    command = [sys.executable, __file__, "--measure", case]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{case}: {done.stderr}")
    return int(done.stdout.split()[-1])


def measure(cfg: DictConfig) -> int:
    """Bytes by which two steps raise this process's resident memory at their peak."""
    work = workload(cfg, None, build_classifier(cfg))
    _warm_up()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    before = _status("VmRSS")
    _run(work, cfg.batch.per_device)
    return _status("VmHWM") - before


def _run(work: Workload, clips: int) -> None:
    """Two optimizer steps, in Lightning's order."""
    optimizer = work.optimizer()
    for group in optimizer.param_groups:
        group["foreach"] = True
    for _ in range(2):
        loss = work.loss(clips)
        optimizer.zero_grad()
        loss.backward()
        del loss
        optimizer.step()


def _warm_up() -> None:
    """Loads what libraries load when they are first used."""
    layer = nn.TransformerEncoderLayer(64, 2, batch_first=True)
    y = layer(nn.Conv2d(3, 64, 4)(torch.zeros(1, 3, 4, 4)).flatten(2).mT).sum()
    y.backward()
    torch.optim.AdamW(layer.parameters(), foreach=True).step()


def _status(name: str) -> int:
    """A figure of this process by the kernel, in bytes."""
    text = Path("/proc/self/status").read_text()
    (kib,) = re.findall(rf"^{name}:\s+(\d+) kB", text, re.M)
    return int(kib) * 1024


def composed(case: str) -> DictConfig:
    """The config of a case."""
    return compose_config("train", [*CASES[case].split(), "trainer.precision=32-true"])


def line(row: Row) -> str:
    """A row of the table for people."""
    off = row.measured / row.predicted - 1
    return f"| {row.case} | {row.predicted / MIB:.0f} | {row.measured / MIB:.0f} | {off:+.1%} |"


def write(rows: list[Row], document: Path) -> None:
    """Puts the rows between the document's markers.

    Raises:
        ValueError: where the document lacks the markers.
    """
    text = document.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    _, also, after = rest.partition(END)
    if not (found and also):
        raise ValueError(f"{document} lacks the markers {BEGIN} and {END}")
    head = ["| two steps of | predicted MiB | measured MiB | off |", "|---|--:|--:|--:|"]
    table = "\n".join([*head, *map(line, rows)])
    document.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help="%(choices)s")
    parser.add_argument("--measure", choices=CASES, metavar="CASE", help="measures a case in this very process")
    return parser.parse_args()


if __name__ == "__main__":
    command.read_environment()
    main()
