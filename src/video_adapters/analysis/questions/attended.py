"""Patches and frames that the model attends to, in words and figures."""

from contextlib import suppress

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from video_adapters.analysis.finding import Finding, Unanswerable
from video_adapters.analysis.measures.contribution import contributions
from video_adapters.analysis.runs.trained import Trained, clip_of
from video_adapters.analysis.style import COLORS, SHADES, as_percent, dress
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.model.attention_maps import enlarged, looked_at, looked_at_over_time, over_time
from video_adapters.model.attention_weights import BlockAttention, attention
from video_adapters.model.backbone import Backbone

QUESTION = "What does the model look at?"
MOST_BLOCKS = 4
"""Blocks drawn, spread from the first to the last."""

MOST_CLIPS = 32
"""Clips that contributions are averaged over."""

OPACITY = 0.85
"""Of a map over a frame where it is highest; the frame shines through where it is low."""


def answer(trained: Trained, video: int = 0) -> Finding:
    """What each block attends to in a test video, by its number in the list, and how much each adapter adds.

    Raises:
        Unanswerable: the video cannot be read, or the network neither attends by its encoder's parts nor has adapters.
    """
    clip = clip_of_test(trained, video)
    backbone, table = trained.classifier.backbone, adapter_shares(trained)
    blocks = attention(backbone, clip)
    title = trained.class_names[trained.data.videos("test")[video].label]
    figures = {}
    if any(block.space is not None for block in blocks):
        maps = {i: looked_at(backbone, i, block) for i, block in enumerate(blocks) if block.space is not None}
        caption = f"Attention within the frames of a clip of '{title}': {_sharpest(maps)} its mean over patches."
        figures[caption] = plot_space(backbone, clip, blocks)
    if any(block.time is not None for block in blocks):
        figures[f"{_most_over_time(blocks)} Means over tokens and heads; a row's shares sum to 1."] = plot_time(blocks)
        maps = {i: looked_at_over_time(backbone, block) for i, block in enumerate(blocks) if block.time is not None}
        caption = f"Attention that each patch gets from the other frames: {_sharpest(maps)} an even spread."
        figures[caption] = plot_received(backbone, clip, blocks)
    if len(table.columns):
        caption = f"{_largest_branch(table)} Means over tokens and at most {MOST_CLIPS} test videos."
        figures[caption] = plot_contributions(table)
    if not figures:
        raise Unanswerable(f"{trained.run} attends by kernels of its own and has no adapters that add to its tokens.")
    return Finding(question=QUESTION, text=verdict(blocks, table, backbone.side is not None), figures=figures)


def verdict(blocks: list[BlockAttention], table: pd.DataFrame, beside: bool = False) -> str:
    """The answer in words, of a clip's attention and the rows of `contributions`; `beside`: another network than the
    encoder has the last word."""
    text = ["The attention is that of the frozen encoder; the network beside it is not shown."] if beside else []
    if any(block.space is not None for block in blocks):
        text.append("Over each frame: where its class token looks (its patches, where there is none).")
    if any(block.time is not None for block in blocks):
        text.append(_most_over_time(blocks))
    if len(table.columns):
        text.append(_largest_branch(table))
    return " ".join(text)


def _largest_branch(table: pd.DataFrame) -> str:
    block, site = table.stack().idxmax()
    share = f"{table[site][block]:.0%} of what it is added to"
    return f"The largest branch is that of the {site.replace('_', ' ')} adapter in block {block}: {share}."


def _sharpest(maps: dict[int, Tensor]) -> str:
    """Words on the block with the highest value in these maps, by block."""
    block = max(maps, key=lambda i: float(maps[i].max()))
    return f"block {block} dwells most on one patch, with {float(maps[block].max()):.1f} times"


def clip_of_test(trained: Trained, video: int) -> Tensor:
    """The first view of a test video: (T, 3, H, W) uint8.

    Raises:
        Unanswerable: it cannot be read.
    """
    try:
        return clip_of(trained.data, trained.data.videos("test")[video])
    except (DecodeError, IndexError) as error:
        raise Unanswerable(f"Test video {video} cannot be shown: {error}") from error


def adapter_shares(trained: Trained) -> pd.DataFrame:
    """`contributions` over some test videos, spread over the list; those that cannot be read are passed over.

    Raises:
        Unanswerable: none can be read.
    """
    videos = trained.data.videos("test")
    chosen = np.unique(np.linspace(0, len(videos) - 1, MOST_CLIPS).astype(int))
    tables = []
    for i in chosen:
        with suppress(DecodeError):
            tables.append(contributions(trained.classifier.backbone, clip_of(trained.data, videos[i])[None]))
    if not tables:
        raise Unanswerable(f"None of {len(chosen)} test videos of the run {trained.run} can be read.")
    return pd.concat(tables).groupby(level=0).mean()


def plot_space(backbone: Backbone, clip: Tensor, blocks: list[BlockAttention]) -> Figure:
    """Frames of a clip, and over them what some blocks attend to within each: columns are frames, rows blocks."""
    shown = _spread([i for i, block in enumerate(blocks) if block.space is not None])
    maps = {f"block {i}": looked_at(backbone, i, blocks[i]) for i in shown}
    return _over_frames(backbone, clip, maps, "attention / its mean over patches")


def plot_received(backbone: Backbone, clip: Tensor, blocks: list[BlockAttention]) -> Figure:
    """Frames of a clip, and over them how much the other frames attend to each patch, at its place."""
    shown = _spread([i for i, block in enumerate(blocks) if block.time is not None])
    maps = {f"block {i}": looked_at_over_time(backbone, blocks[i]) for i in shown}
    return _over_frames(backbone, clip, maps, "attention from other frames / evenly spread")


def plot_time(blocks: list[BlockAttention]) -> Figure:
    """Attention over time of some blocks as matrices: each row a frame, which takes from the frames in columns."""
    shown = _spread([i for i, block in enumerate(blocks) if block.time is not None])
    maps = [over_time(blocks[i]).cpu().numpy() for i in shown]
    highest = max(float(m.max()) for m in maps)
    figure, axes = plt.subplots(1, len(shown), figsize=(2.9 * len(shown) + 1, 3.2), squeeze=False, layout="constrained")
    for panel, i, matrix in zip(axes[0], shown, maps, strict=True):
        picture = panel.imshow(matrix, cmap=SHADES, vmin=0, vmax=highest)
        panel.set(title=f"block {i}", xlabel="frame looked at")
        ticks = np.unique(np.linspace(0, len(matrix) - 1, 8).astype(int))
        panel.set_xticks(ticks, ticks + 1)
        panel.set_yticks(ticks, ticks + 1)
    axes[0][0].set_ylabel("frame that looks")
    figure.colorbar(picture, ax=axes[0].tolist(), label="share of attention")
    return figure


def plot_contributions(table: pd.DataFrame) -> Figure:
    """Size of what adapters add over what they add it to, by block: rows of `contributions`."""
    figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    for color, marker, site in zip(COLORS, "os^Dv<", table, strict=False):
        axes.plot(table.index, table[site], color=color, marker=marker, label=site.replace("_", " "))
    dress(axes, "", "block", "size of the branch (% of what it is added to)")
    as_percent(axes)
    axes.set_xticks(table.index)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _over_frames(backbone: Backbone, clip: Tensor, maps: dict[str, Tensor], label: str) -> Figure:
    """The clip in the first row, each map over it in one below."""
    frames = clip[:: backbone.tubelet]  # of a tubelet the first
    large = {name: enlarged(shade.cpu(), (frames.shape[2], frames.shape[3])) for name, shade in maps.items()}
    highest = max(float(shade.max()) for shade in large.values())
    figure, axes = plt.subplots(
        len(maps) + 1, len(frames), figsize=(1.25 * len(frames) + 1.2, 1.3 * (len(maps) + 1)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for panel, frame, number in zip(axes[0], frames, range(1, len(frames) + 1), strict=True):
        panel.imshow(frame.permute(1, 2, 0).cpu().numpy(), interpolation="nearest")
        panel.set_title(f"{number}", fontsize=9)
        panel.set_axis_off()
    for row, (name, shades) in zip(axes[1:], large.items(), strict=True):
        for panel, frame, shade in zip(row, frames.float().mean(1).cpu().numpy(), shades.numpy(), strict=True):
            panel.imshow(frame, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            panel.imshow(shade, cmap=SHADES, vmin=0, vmax=highest, alpha=np.clip(shade / highest, 0, 1) * OPACITY)
            panel.set_axis_off()
        row[0].text(-0.12, 0.5, name, rotation=90, ha="right", va="center", transform=row[0].transAxes, fontsize=9)
    scale = ScalarMappable(Normalize(0, highest), SHADES)
    figure.colorbar(scale, ax=axes[1:].ravel().tolist(), label=label, shrink=0.8)
    return figure


def _spread(blocks: list[int]) -> list[int]:
    """At most MOST_BLOCKS of them, the first and the last among them."""
    chosen = np.linspace(0, len(blocks) - 1, min(MOST_BLOCKS, len(blocks))).round().astype(int)
    return [blocks[i] for i in chosen]


def _most_over_time(blocks: list[BlockAttention]) -> str:
    columns = {i: over_time(block).mean(0) for i, block in enumerate(blocks) if block.time is not None}
    i = max(columns, key=lambda i: float(columns[i].max()))
    frame, share, size = int(columns[i].argmax()) + 1, float(columns[i].max()), len(columns[i])
    return f"Over time, block {i} looks at frame {frame} most: {share:.0%} of its attention (evenly {1 / size:.0%})."
