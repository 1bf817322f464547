"""Pretrained image networks behind one interface: blocks by their parts, the ways in and out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from video_adapters.model.encoders.attention import Mix, Unprojected
from video_adapters.model.encoders.linears import Linears
from video_adapters.model.encoders.pooling import pool_of


class Parts(nn.Module, ABC):
    """A frozen transformer block seen by its parts: the same names in every family.

    Frames are rows: x is (B*T, ..., D), the T frames of a clip adjacent.

    Attributes:
        width: D, the width of a token.
        num_heads: of the attention.

    Raises:
        ValueError: for any class but `wraps`, since another class may hide another forward pass.
    """

    wraps: ClassVar[type[nn.Module]]
    mixes: ClassVar[bool] = False  # whether `attend` can mix keys and values

    width: int
    num_heads: int

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        if type(block) is not self.wraps:
            raise ValueError(
                f"the encoder's block is a {_name(type(block))}, but {type(self).__name__} knows the parts of "
                f"{_name(self.wraps)} only; take an encoder with that block"
            )
        self.block: Any = block

    @property
    @abstractmethod
    def norm1(self) -> nn.Module:
        """The norm before attention: (..., D) -> (..., D)."""

    @abstractmethod
    def attend(self, x: Tensor, keep: int | None = None, mix: Mix | None = None) -> Unprojected:
        """Attention within each frame, with any layer scale: (B*T, ..., D) -> same shape, yet to be projected.

        With `keep`, every token is attended to, but only the first `keep` of a frame attend: (B*T, keep, D). `mix`,
        where the family `mixes`, is the last thing done to keys and to values.
        """

    @abstractmethod
    def attend_time(self, x: Tensor, num_times: int, bias: Tensor | None = None) -> Unprojected:
        """Attention of the same weights over the T frames of a clip, for each place by itself: (B*T, ..., D), same.

        Biases of the attention within frames play no part; `bias` (num_heads, T, T) is added to the scores.
        """

    @property
    @abstractmethod
    def norm2(self) -> nn.Module:
        """The norm before the MLP: (..., D) -> (..., D)."""

    @abstractmethod
    def mlp(self, x: Tensor) -> Tensor:
        """The MLP, with any layer scale: (..., D) -> (..., D)."""

    @abstractmethod
    def linears(self) -> Linears:
        """Its linear layers, so that linear maps next to them can be folded into them."""

    @abstractmethod
    def time_copy(self) -> "Parts":
        """A copy that knows `norm1` and `attend_time` alone; the weights of the rest are not in it."""

    def positions(self) -> list[nn.Parameter]:
        """Parameters that stand for positions, which recipes exempt from weight decay."""
        return []


class SharedSpace(NamedTuple):
    """The space in which an image's feature lies beside those of texts."""

    projection: nn.Module  # from the library's own pooled feature: (B*T, D) -> (B*T, width)
    width: int


class Encoder(nn.Module, ABC):
    """A pretrained image network opened at its blocks: embed -> pre_norm -> (merge, block) for each block -> pool.

    The blocks leave the network for `self.blocks`, from where a backbone takes them and puts adapters around them.
    What stays is the published module itself, run by its own methods.

    Attributes:
        net: the network without its blocks.
        blocks: its blocks by their parts, in order.
        depths: number of blocks in each stage.
        width: D, the width of what `pool` returns.
        pooled: how many tokens of a frame, from the first, `pool` reads; None: all.
        prefix: how many tokens of a frame, from the first, are no patches (class token, registers).
        class_token: whether the first of these is a class token.
        shared: the way to the space that images share with texts, no part of the network; None: there is none.
        projection: the same as a part of it, where `pool_kind` is `projected`.
        pool_kind: how `pool` makes one feature of the tokens (a name of `pooling.POOLS`); None: as the library does,
            of so many tokens as `pooled` says or, once `pool_kind` is set, `pooled_as_published`.
        image_size: (height, width) of the frames it takes, in pixels.
        mean, std: the statistics its weights were trained with, per channel, for pixels in [0, 1].
        fingerprint: names the weights it came with, so that a checkpoint can tell whether it meets them again.
        licence: of these weights, as their library states it; "" where it does not, and for random ones.

    Raises:
        ValueError: for a network that is built otherwise than the family expects.
    """

    wraps: ClassVar[type[nn.Module]]

    net: Any
    blocks: Sequence[Parts]
    depths: tuple[int, ...]
    width: int
    pooled: int | None
    prefix: int
    class_token: bool
    shared: SharedSpace | None = None
    projection: nn.Module
    pool_kind: str | None = None
    pooled_as_published: int | None
    image_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fingerprint: str
    licence: str = ""

    @property
    @abstractmethod
    def final_norm(self) -> nn.Module:
        """The norm after the last block, which AIM trains."""

    @property
    @abstractmethod
    def patches(self) -> nn.Conv2d:
        """The convolution that turns patches into tokens."""

    @abstractmethod
    def embeddings(self) -> list[nn.Parameter]:
        """Class token and position embedding, which recipes exempt from weight decay."""

    @abstractmethod
    def embed(self, frames: Tensor) -> Tensor:
        """Patches, class token and position embedding: normalised frames (B*T, 3, H, W) -> tokens (B*T, ..., D)."""

    def pre_norm(self, x: Tensor) -> Tensor:
        """What stands between the position embedding and the first block, often nothing: (B*T, ..., D), same shape."""
        return x

    def merge(self, x: Tensor, block: int) -> Tensor:
        """What merges patches ahead of a block, where a stage begins; elsewhere nothing: (B*T, ..., D)."""
        return x

    @abstractmethod
    def pool_as_published(self, x: Tensor) -> Tensor:
        """Final norm and pooling as the library does them: (B*T, ..., D) -> (B*T, D)."""

    def pool(self, x: Tensor) -> Tensor:
        """Final norm and pooling to one feature per frame: (B*T, ..., D) -> (B*T, width)."""
        return self.pool_as(x, self.pool_kind)

    def pool_as(self, x: Tensor, kind: str | None) -> Tensor:
        """`pool` of any kind: what leaves a block, (B*T, ..., D) -> (B*T, D), or (B*T, 2D) for `both`.

        Raises:
            ValueError: for a kind that the encoder has not.
        """
        return self.pool_as_published(x) if kind is None else pool_of(self, kind).feature(self, x)

    @property
    def reads_class_token(self) -> bool:
        """Whether what the library makes of a frame's tokens is the class token."""
        return self.class_token and (self.pooled if self.pool_kind is None else self.pooled_as_published) == 1

    def set_pool(self, kind: str | None) -> None:
        """Has `pool` make the feature otherwise than the library does; None leaves it.

        Raises:
            ValueError: for a kind that the encoder has not.
        """
        if kind is not None:
            pool = pool_of(self, kind)
            self.pooled_as_published = self.pooled if self.pool_kind is None else self.pooled_as_published
            self.pool_kind, self.width, self.pooled = kind, pool.width(self), pool.pooled(self)
        if kind == "projected" and self.shared is not None:
            self.projection = self.shared.projection

    def cut(self, depth: int | None) -> None:
        """Keeps so many blocks, from the first; the final norm follows the last of them. None keeps all.

        Raises:
            ValueError: for more blocks than there are, and for none of the last stage, whose width the norm has.
        """
        if depth is None:
            return
        before, whole = sum(self.depths[:-1]), sum(self.depths)
        if type(depth) is not int or not before < depth <= whole:
            why = ", since an encoder of several stages is cut within its last one only" if before else ""
            raise ValueError(f"model.depth is {depth}, expected {before + 1} to {whole} blocks, or null: all{why}")
        self.blocks = self.blocks[:depth]
        self.depths = (*self.depths[:-1], depth - before)

    @torch.no_grad()
    def take_tubelets(self, tubelet: int) -> None:
        """Makes each token see `tubelet` frames, which come as channels: (B*T, 3 * tubelet, H, W).

        The patch weights are repeated over time and divided by `tubelet` (Carreira and Zisserman 2017's inflation, as
        in Video Swin and AIM), so that a still tubelet gives the token of its frame. Convolving the frames stacked as
        channels is the 3D convolution with a stride of its own length. An encoder built for that many channels stays
        as it is.

        Raises:
            ValueError: for an encoder built for tubelets of another length.
        """
        convolution = self.patches
        channels = convolution.in_channels
        if channels not in (3, 3 * tubelet):
            raise ValueError(
                f"the encoder's weights take tubelets of {channels // 3} frames, but data.tubelet is {tubelet}"
            )
        if channels != 3 * tubelet:
            convolution.weight = nn.Parameter(convolution.weight.repeat(1, tubelet, 1, 1) / tubelet)
            convolution.in_channels = 3 * tubelet


def require(holds: bool, net: nn.Module, expected: str) -> None:
    """Refuses a network whose build differs from what its family's wrapper runs.

    Raises:
        ValueError: when `holds` is false.
    """
    if not holds:
        raise ValueError(f"{_name(type(net))} is supported only {expected}; take another encoder or set it so")


def check_patches(image_size: tuple[int, int], patch_size: tuple[int, int]) -> None:
    """Refuses frames that patches do not cover: what is left over at the border would silently not be seen.

    Raises:
        ValueError: where a side of the frame is no multiple of the patch's.
    """
    if any(side % patch for side, patch in zip(image_size, patch_size, strict=True)):
        raise ValueError(
            f"frames of {image_size[0]}x{image_size[1]} pixels are no whole number of {patch_size[0]}x{patch_size[1]} "
            "patches; set data.image_size to a multiple of the patch size"
        )


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def pixels(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) of a size that libraries give as one number or two."""
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)


def keep_only(block: nn.Module, names: Sequence[str]) -> None:
    """Takes every direct submodule but those named out of a block."""
    for name, _ in list(block.named_children()):
        if name not in names:
            setattr(block, name, nn.Identity())


def as_rgb(values: Sequence[float]) -> tuple[float, float, float]:
    """Three floats, from any sequence of three."""
    r, g, b = (float(v) for v in values)
    return r, g, b
