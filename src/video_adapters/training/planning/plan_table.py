"""Plans as tables on the terminal."""

import shlex
from collections.abc import Sequence

from omegaconf import DictConfig
from rich.table import Table

from video_adapters.commands.grammar import key_of
from video_adapters.commands.terminal import console
from video_adapters.memory.gpu import MARGIN, Gpu
from video_adapters.memory.search import Option

COLUMNS = ("clips x passes", "blocks recomputed", "allocated", "reserved", "products a step", "time a step", "")


def report(cfg: DictConfig, gpu: Gpu, options: Sequence[Option], chosen: Option | None) -> None:
    """Prints the table of what was considered."""
    title = (
        f"{cfg.name}: {cfg.model.encoder.model_name}, {cfg.data.num_frames} frames, {cfg.batch.per_step} clips a step, "
        f"on {gpu.name}, which has {bytes_in_words(gpu.limit)} to plan with ({MARGIN:.0%} left free)"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name else "left")
    for option in options:
        table.add_row(*_row(option, gpu, option == chosen))
    console().print(table)
    print(
        "Peaks are predicted, from a trace of that very option where there is no ~; +-10 % until somebody's card has "
        "confirmed them. Times are rough, and good for comparing rows alone."
    )


def command(overrides: Sequence[str], decided: dict[str, int]) -> str:
    """The command that trains what was planned."""
    ours = ("gpu", "memory.plan", *decided)
    kept = [one for one in overrides if key_of(one) not in ours and not key_of(one).startswith("gpu.")]
    words = [*kept, *(f"{key}={value}" for key, value in decided.items())]
    return shlex.join(["python", "src/train.py", *words])


def bytes_in_words(size: int) -> str:
    """Bytes as GiB with one digit, or as whole MiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _row(option: Option, gpu: Gpu, chosen: bool) -> list[str]:
    verdict = "chosen" if chosen else "fits" if option.peak.reserved <= gpu.limit else "too large"
    about, flops, seconds = "" if option.traced else "~", option.flops, option.seconds
    return [
        f"{option.clips} x {option.passes}",
        str(option.checkpointed),
        *(about + bytes_in_words(size) for size in option.peak),
        f"{flops / 1e12:.0f} TFLOP" if flops >= 1e12 else f"{flops / 1e9:.0f} GFLOP",
        f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms",
        verdict,
    ]
