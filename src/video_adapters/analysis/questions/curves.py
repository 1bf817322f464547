"""Figures of runs; each function takes rows of `read_runs` and returns the figure it drew."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.runs.folder import JUDGED, read_metrics, validation_scores
from video_adapters.analysis.runs.labels import labels
from video_adapters.analysis.style import COLORS, GRAY, as_percent, clip_text, dress
from video_adapters.commands.wording import counted

_MOST_RUNS = len(COLORS)  # more curves than colours cannot be told apart
_MOST_POINTS = 400  # of a running mean: two for each pixel of a figure
_SMOOTHING = 20  # the loss is averaged over this share (1/20) of its logged steps


def plot_curves(runs: pd.DataFrame) -> Figure:
    """Training loss, faint and as a running mean, and validation top-1 (with several classes a video, mAP) over
    optimizer steps.

    A colour per run; of many runs, the ten best.
    """
    shown = _best(runs, runs["steps"] > 0)
    height = 4 + 0.22 * len(shown)  # inches; a line of the legend for each
    figure, (loss, judged) = plt.subplots(1, 2, figsize=(11, height), layout="constrained")
    for path, label, color in zip(shown["path"], labels(shown), COLORS, strict=False):
        metrics = read_metrics(path).reindex(columns=["train/loss", *JUDGED])
        values = metrics["train/loss"].dropna()
        mean = values.rolling(max(1, len(values) // _SMOOTHING), min_periods=1, center=True).mean()
        # steps are logged from 0; all faint lines lie below, where many points become one picture
        loss.plot(values.index + 1, values, color=color, alpha=0.25, linewidth=0.8, zorder=1.5)
        alone = "." if len(mean) == 1 else ""  # a line needs two
        mean = mean.iloc[:: max(1, len(mean) // _MOST_POINTS)]
        loss.plot(mean.index + 1, mean, color=color, label=label, marker=alone)
        scores = metrics["val/top1"].fillna(metrics["val/mAP"]).dropna()
        judged.plot(scores.index + 1, scores, color=color, marker=".", alpha=0.8)
    dress(loss, "Training loss", "optimizer step", "cross-entropy (nats)")
    several = shown["best_val_top1"].isna() & shown["best_val_mAP"].notna()
    measure = "mAP (%)" if several.all() else "top-1 (% of videos)" if not several.any() else "top-1, or mAP (%)"
    dress(judged, "Validation", "optimizer step", measure)
    as_percent(judged)
    classes = shown["config.data.num_classes"].unique()
    if len(classes) == 1 and not several.any():
        judged.axhline(1 / classes[0], color=GRAY, linestyle=":", label=f"chance, {classes[0]} classes")
    judged.set_ylim(bottom=0)
    for axes in (loss, judged):
        axes.set_xlim(left=0)
    figure.suptitle(_title("Learning curves", shown, runs))
    figure.legend(loc="outside lower center", frameon=False)
    return figure


def plot_throughput(runs: pd.DataFrame) -> Figure:
    """Clips per second of each run, and beside the bars how much of the time went into waiting for data."""
    shown = _best(runs, runs["clips_per_s"].notna())[::-1]  # bars are drawn upwards
    figure, axes = plt.subplots(figsize=(12, 1.4 + 0.4 * len(shown)), layout="constrained")
    bars = axes.barh(labels(shown), shown["clips_per_s"], color=COLORS[0], height=0.6)
    figures = zip(shown["clips_per_s"], shown["data_wait"], shown["peak_memory_gib"], strict=True)
    notes = [f"{speed:.3g} clips/s, {wait:.0%} waiting for data, {memory:.1f} GiB" for speed, wait, memory in figures]
    axes.bar_label(bars, notes, padding=4)
    axes.set_xlabel("training clips per second, over all devices (median)")
    axes.set_xlim(0, 3 * shown["clips_per_s"].max())  # room for the notes
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(_title("Throughput", shown, runs))
    return figure


def _best(runs: pd.DataFrame, logged: pd.Series) -> pd.DataFrame:
    """Of the runs that have logged what is to be drawn as many as a figure holds, the best by validation first."""
    if not logged.any():
        raise Unanswerable(f"none of {counted(len(runs), 'run')} has logged any of these figures yet")
    best_first = validation_scores(runs[logged]).sort_values(ascending=False).index
    return runs.loc[best_first].head(_MOST_RUNS)


def _title(subject: str, shown: pd.DataFrame, runs: pd.DataFrame) -> str:
    names = clip_text(", ".join(dict.fromkeys(shown["name"])), 60)
    all_runs = counted(len(runs), "run")
    which = f"the {len(shown)} best of {all_runs}" if len(shown) < len(runs) else all_runs
    return f"{subject}: {names} ({which})"
