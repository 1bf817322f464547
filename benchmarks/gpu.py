"""Predicts the memory of training steps on this machine's card, measures it, and compares the precisions' losses.

    python benchmarks/gpu.py                         # a few minutes on a card of 48 GiB and more
    python benchmarks/gpu.py --only aim_ssv2 16-mixed

Every row is an experiment at its full size on random weights and random clips: two optimizer steps of two passes each
and an evaluation, in a process of its own. The prediction is the planner's, for this card; the measurement is the most
that PyTorch's allocator reserved. The loss is that of the first step, without dropout, beside fp32's; clips per second
are the median of ten passes after those, where nobody waits for videos.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig

from video_adapters.commands import command
from video_adapters.commands.config import compose_config
from video_adapters.data.dataset import Batch
from video_adapters.memory.allocator import CachingAllocator
from video_adapters.memory.step import Workload
from video_adapters.model.build import build_classifier, without_weights
from video_adapters.model.execution import cast_frozen, compile_blocks
from video_adapters.training.planning.gpus import gpu_of
from video_adapters.training.planning.trace import half_type, trace_experiment, workload

GIB = 2**30
PASSES = 2  # of a step: what a third would do, the second has done
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")
CASES = {
    "aim_ssv2": "experiment=aim_ssv2",
    "aim_ssv2, recomputed": "experiment=aim_ssv2 memory.checkpoint_blocks=11",
    "aim_ssv2, MLPs recomputed": "experiment=aim_ssv2 memory.recompute_mlp=true",
    "aim_ssv2, compiled": "experiment=aim_ssv2 memory.compile=true",
    "aim_ssv2_imagenet21k": "experiment=aim_ssv2_imagenet21k",
    "aim_ssv2, DINOv2": "experiment=aim_ssv2 model=dinov2_vit_b14",
    "aim_ssv2_vit_l14": "experiment=aim_ssv2_vit_l14 batch.per_device=4",
    "own_videos": "experiment=own_videos data.num_classes=5",
    "ST-Adapter": "experiment=aim_ssv2 adapter=st_adapter",
    "LoRA": "experiment=aim_ssv2 adapter=lora",
    "frozen_ssv2": "experiment=frozen_ssv2",
    "timesformer_ssv2": "experiment=timesformer_ssv2",
    "aim_swin_ssv2": "experiment=aim_swin_ssv2",
    "video_swin_ssv2": "experiment=video_swin_ssv2",
}
"""Rows of the table and how to compose them."""


class Row(NamedTuple):
    """One case in one precision."""

    case: str
    precision: str
    predicted: int  # bytes
    reserved: int
    allocated: int
    clips_per_s: float
    loss: float


def main() -> None:
    """Measures what the command line asks for."""
    arguments = _arguments()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {len(arguments.only)} experiments\n")
    print("| experiment | precision | predicted GiB | reserved | off | allocated | clips/s | loss, beside fp32's |")
    print("|---|---|--:|--:|--:|--:|--:|--:|", flush=True)
    for case in arguments.only:
        exact = None
        for precision in arguments.precision:
            row = measure_apart(case, precision)
            exact = row.loss if precision == "32-true" else exact
            print(line(row, exact), flush=True)


def measure_apart(case: str, precision: str) -> Row:
    """What a process of its own measures."""
    command = [sys.executable, __file__, "--measure", case, precision]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{case}, {precision}: {done.stderr}")
    return Row(*json.loads(done.stdout.splitlines()[-1]))


def measure(case: str, precision: str) -> Row:
    """Steps of a case on the card."""
    cfg = without_weights(composed(case, precision))
    gpu, clips = gpu_of(cfg), cfg.batch.per_device
    trace = trace_experiment(cfg, gpu, clips, cfg.memory.checkpoint_blocks)
    predicted = CachingAllocator().run(trace.steps(PASSES)).reserved
    torch.cuda.reset_peak_memory_stats()
    torch.manual_seed(0)
    classifier, half = build_classifier(cfg), half_type(cfg, gpu)
    if cfg.memory.frozen_dtype:
        cast_frozen(classifier, half)
    if cfg.memory.compile:
        compile_blocks(classifier.backbone.blocks)
    work = workload(cfg, half, classifier.cuda().train(), noise)
    with torch.device("cuda"):
        loss, seconds = run(work, clips)
    peaks = torch.cuda.max_memory_reserved(), torch.cuda.max_memory_allocated()
    return Row(case, precision, predicted, *peaks, clips / seconds, loss)


def run(work: Workload, clips: int) -> tuple[float, float]:
    """Two steps, an evaluation, then passes by the clock: the first loss, and the seconds of a pass."""
    optimizer, scaler = work.optimizer(), torch.amp.GradScaler("cuda", enabled=work.half is torch.float16)

    def forward_and_back() -> float:
        with torch.autocast("cuda", dtype=work.half, enabled=work.half is not None):
            loss = work.loss(clips)
        scaler.scale(loss / PASSES).backward()
        return float(loss.detach())

    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        losses += [forward_and_back() for _ in range(PASSES)]
        scaler.step(optimizer)
        scaler.update()
    with evaluating(work), torch.no_grad(), torch.autocast("cuda", dtype=work.half, enabled=work.half is not None):
        work.score(clips)
    return losses[0], median(_seconds(forward_and_back) for _ in range(10))


@contextmanager
def evaluating(work: Workload) -> Iterator[None]:
    """The network in evaluation mode meanwhile."""
    work.module.eval()
    yield
    work.module.train()


def _seconds(job: Any) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    job()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def noise(batch: Batch) -> Batch:
    """The batch with noise for clips, the same at every call, and weights that make the loss a mean."""
    generator = torch.Generator(batch.clips.device).manual_seed(0)
    clips = batch.clips.random_(0, 256, generator=generator)
    return batch._replace(clips=clips, weights=batch.weights / len(clips))


def composed(case: str, precision: str) -> DictConfig:
    """The config of a case, in which nothing is drawn at random."""
    cfg = compose_config("train", [*CASES[case].split(), f"trainer.precision={precision}"])
    cfg.head.dropout = 0.0
    if "drop_path" in cfg.adapter:
        cfg.adapter.drop_path = 0.0
    return cfg


def line(row: Row, exact: float | None) -> str:
    """A row of the table."""
    off = "" if exact is None or row.precision == "32-true" else f" ({row.loss / exact - 1:+.2%})"
    return (
        f"| {row.case} | {row.precision} | {row.predicted / GIB:.2f} | {row.reserved / GIB:.2f} | "
        f"{row.reserved / row.predicted - 1:+.1%} | {row.allocated / GIB:.2f} | {row.clips_per_s:.0f} | "
        f"{row.loss:.5f}{off} |"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help="%(choices)s")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "PRECISION"), help="measures in this very process")
    return parser.parse_args()


if __name__ == "__main__":
    command.read_environment()
    main()
