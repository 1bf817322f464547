"""A frozen image encoder, with adapters in its blocks or a network beside them, run on the frames of a clip."""

from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from video_adapters.model.adapters.adapted_block import AdapterMethod, running
from video_adapters.model.adapters.side_network import SideNetwork
from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.execution import Memory, autocast_dtype, recompute
from video_adapters.model.heads.head import Reads


class Backbone(nn.Module):
    """Clips to the features that a head reads: (B, frames, 3, H, W) -> (B, T, D) or (B, T, N, D).

    Freezing goes by order: everything that the encoder brings is frozen, then the method adds what trains and names
    what of the encoder trains with it. Below the first of these nothing asks for a gradient, so autograd keeps nothing.
    Where the method has a side network, which reads the tokens of every block, the features are that network's.

    Args:
        encoder: the pretrained network; its blocks move into the backbone.
        method: which adapters, where.
        num_frames: frames of a clip, which the temporal embedding and the folds over time are built for.
        tubelet: frames that share a token; T = num_frames / tubelet below.
        memory: what is kept for the backward pass, and how.
        reads: the features that the head reads.

    Raises:
        ValueError: for impossible numbers, for a pooling that the head does not read, and for clips of another shape
            than it was built for.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: Encoder,
        method: AdapterMethod,
        num_frames: int,
        tubelet: int = 1,
        memory: Memory = Memory(),  # noqa: B008 (frozen)
        reads: Reads = "frames",
    ) -> None:
        super().__init__()
        if num_frames < 1 or tubelet < 1 or num_frames % tubelet:
            raise ValueError(
                f"data.num_frames is {num_frames} and data.tubelet {tubelet}: expected at least 1, and whole tubelets"
            )
        if reads == "tokens" and encoder.pool_kind is not None:
            raise ValueError(
                f"model.pool={encoder.pool_kind} makes one feature of a frame's tokens, but the head reads the tokens "
                "themselves: give model.pool=null, or a head that reads frames"
            )
        self.segments = memory.segments(sum(encoder.depths))
        encoder.take_tubelets(tubelet)
        encoder.requires_grad_(False)
        for parts in encoder.blocks:
            parts.requires_grad_(False)
        self.encoder = encoder
        self.num_frames, self.num_times, self.tubelet = num_frames, num_frames // tubelet, tubelet
        self.reads = reads
        read = encoder.pooled if reads == "frames" else None
        executions = memory.executions(len(encoder.blocks), self.num_times, read)
        adapted = method.adapt(encoder, executions)
        for module in adapted.tuned:
            module.requires_grad_(True)
        self.blocks = nn.ModuleList(adapted.blocks)
        if adapted.side is not None and encoder.pool_kind is not None:
            raise ValueError(
                f"model.pool={encoder.pool_kind} is about the encoder's feature, but the head reads that of the "
                "network beside it: give model.pool=null"
            )
        self.side = adapted.side
        self.memory = memory
        self.time_from = adapted.time_from
        self.temporal_embedding: nn.Parameter | None = None
        if adapted.time_from is not None:
            width = encoder.blocks[adapted.time_from].width
            self.temporal_embedding = nn.Parameter(torch.zeros(1, self.num_times, width))
        self.register_buffer("mean", torch.tensor(encoder.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(encoder.std).view(3, 1, 1), persistent=False)

    @property
    def width(self) -> int:
        """D, the width of a frame's feature."""
        return self.encoder.width if self.side is None else self.side.width

    @property
    def frame_wise(self) -> bool:
        """Whether nothing below the head crosses time: what is made of a frame is the same in every clip it is in."""
        blocks: Any = self.blocks
        merged = self.tubelet > 1 or self.time_from is not None or self.side is not None
        return not merged and not any(block.crosses_time for block in blocks)

    def pretrained(self) -> list[nn.Parameter]:
        """Parameters that came with the encoder, or start as copies of such, whether they train or not."""
        blocks: Any = self.blocks
        return [*self.encoder.parameters(), *(p for block in blocks for p in block.pretrained())]

    def merge(self) -> int:
        """Folds into the encoder's matrices what of the adapters can be, in place, for inference.

        Returns: how many parameters are no longer needed; 0 where the method has none that can be folded.
        """
        before = sum(p.numel() for p in self.parameters())
        blocks: Any = self.blocks
        for block in blocks:
            block.merge()
        return before - sum(p.numel() for p in self.parameters())

    def forward(self, clips: Tensor, stored: Tensor | None = None) -> Tensor:
        """What the head reads: (B, T, D), or the tokens behind the final norm, (B, T, N, D).

        `stored`: all tokens that leave the blocks, (B, blocks, T, N, D), with which a side network need not run them.
        """
        if self.reads == "frames":
            return self.features(clips, stored)
        if self.side is None:
            tokens = self.encoder.final_norm(self._full(self.tokens(clips)))
        else:
            tokens = self._beside(self.side, clips, stored)
        return tokens.flatten(1, -2).unflatten(0, (clips.shape[0], -1))

    def frame_features(self, frames: Tensor) -> Tensor:
        """What the head reads of frames by themselves, where the backbone is `frame_wise`: (F, 3, H, W) -> (F, D), or
        (F, N, D). Of the T frames of a clip they are its features; rounding may differ, by what goes together.
        """
        assert self.frame_wise
        x = self._full(self._through_blocks(self.normalise(frames)))
        return self.encoder.pool(x) if self.reads == "frames" else self.encoder.final_norm(x).flatten(1, -2)

    def features(self, clips: Tensor, stored: Tensor | None = None) -> Tensor:
        """One feature per frame or tubelet: (B, frames, 3, H, W) uint8, or float already normalised -> (B, T, D)."""
        if self.side is None:
            features = self.encoder.pool(self._full(self.tokens(clips)))
        else:
            features = self._beside(self.side, clips, stored).mean(1)
        return features.unflatten(0, (clips.shape[0], -1))

    def tokens(self, clips: Tensor) -> Tensor:
        """What leaves the last block, before the final norm: (B, frames, 3, H, W) -> (B*T, ..., D)."""
        return self._through_blocks(self._frames(clips))

    def _through_blocks(self, frames: Tensor) -> Tensor:
        """Normalised frames to what leaves the last block: (B*T, 3 * tubelet, H, W) -> (B*T, ..., D)."""
        x = self._embedded(frames)
        for segment in self.segments:
            x = recompute(self._through, segment, x, offload=self.memory.offload)
        for i in range(self.memory.checkpoint_blocks, len(self.blocks)):
            x = self._step(i, x)
        return x

    def _beside(self, side: SideNetwork, clips: Tensor, stored: Tensor | None) -> Tensor:
        """What a side network makes of all blocks' tokens: (B, frames, 3, H, W) -> (B*T, N, width), normed.

        No block is kept for the backward pass, nor run in it, unless several are recomputed together.
        """
        frames = self._frames(clips)
        s = self._in_stream(self._full(side.begin(frames, self.num_times)))
        if stored is None:
            x = self._embedded(frames)
            for segment in self.segments:
                if len(segment) > 1:
                    x, s = recompute(self._through_beside, segment, x, s, offload=self.memory.offload)
                else:
                    x, s = self._through_beside(segment, x, s)
            _, s = self._through_beside(range(self.memory.checkpoint_blocks, len(self.blocks)), x, s)
        else:
            for i, x in enumerate(stored.unbind(1)):
                s = self._side_step(i, s, x.flatten(0, 1))
        return side.end(self._full(s))

    def leaving(self, clips: Tensor, blocks: Collection[int]) -> Iterator[tuple[int, Tensor]]:
        """All tokens that leave the given blocks, counted from 1, before any norm, with the block's number, rising:
        (B, frames, 3, H, W) -> (B*T, ..., D) each. Later blocks do not run; to be called without gradients.
        """
        with running(self.blocks, skip_dead_work=False):
            x = self._embedded(self._frames(clips))
            for i in range(max(blocks)):
                x = self._step(i, x)
                if i + 1 in blocks:
                    yield i + 1, self._full(x)

    def _frames(self, clips: Tensor) -> Tensor:
        """Normalised, those of a tubelet as channels: (B, frames, 3, H, W) -> (B*T, 3 * tubelet, H, W)."""
        self._check(clips)
        return self.normalise(clips).unflatten(1, (self.num_times, self.tubelet)).flatten(2, 3).flatten(0, 1)

    def _embedded(self, frames: Tensor) -> Tensor:
        """What enters the first block: (B*T, 3 * tubelet, H, W) -> (B*T, ..., D)."""
        x = self.encoder.embed(frames)
        if self.time_from == 0:  # as published: before the norm that CLIP has ahead of its blocks
            x = self._mark_time(x)
        return self._in_stream(self.encoder.pre_norm(x))

    def _in_stream(self, x: Tensor) -> Tensor:
        """In the type of the residual stream, where `memory.residual_dtype` sets one."""
        half = autocast_dtype(x)
        return x.to(half) if self.memory.residual_dtype and half else x

    def _through(self, segment: range, x: Tensor) -> Tensor:
        """Blocks that are recomputed together: (B*T, ..., D) -> (B*T, ..., D)."""
        for i in segment:
            x = recompute(self._step, i, x) if len(segment) > 1 else self._step(i, x)
        return x

    def _through_beside(self, segment: range, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Blocks with the side layers beside them: (B*T, ..., D), (B*T, N, width) -> both."""
        for i in segment:
            x = self._step(i, x)
            s = self._side_step(i, s, x)
        return x, s

    def _side_step(self, i: int, s: Tensor, x: Tensor) -> Tensor:
        """One side layer, which reads what leaves its block: (B*T, N, width), (B*T, ..., D) -> (B*T, N, width)."""
        assert self.side is not None
        if i >= self.memory.checkpoint_blocks:
            return self.side.step(i, s, x)
        wait = self.memory.offload and not self.memory.checkpoint_nested  # nested, the inputs are made again
        return recompute(self.side.step, i, s, x, offload=wait)

    def _step(self, i: int, x: Tensor) -> Tensor:
        """One block, and what stands between it and the one before: (B*T, ..., D) -> (B*T, ..., D)."""
        x = self.encoder.merge(x, i)
        if i > 0 and i == self.time_from:
            x = self._mark_time(x)
        return self.blocks[i](x)

    def normalise(self, clips: Tensor) -> Tensor:
        """uint8 pixels -> float by the mean and std of the encoder's weights; float clips pass as they are."""
        if clips.is_floating_point():
            return clips
        return clips.to(self.mean.dtype).div_(255).sub_(self.mean).div_(self.std)  # in place: clips are large

    def _full(self, x: Tensor) -> Tensor:
        """Out of a half-precision residual stream: the final norm's answer, too, would have no more than 8 bits."""
        return x.to(self.mean.dtype)

    def _mark_time(self, x: Tensor) -> Tensor:
        """Adds the temporal embedding to every token of its frame: (B*T, ..., D) -> same shape."""
        assert self.temporal_embedding is not None
        embedding = self.temporal_embedding[0].to(x.dtype)
        clips = x.unflatten(0, (-1, self.num_times))
        return (clips + embedding.view(self.num_times, *[1] * (x.dim() - 2), -1)).flatten(0, 1)

    def _check(self, clips: Tensor) -> None:
        height, width = self.encoder.image_size
        if clips.dim() != 5 or clips.shape[2] != 3:
            raise ValueError(f"clips are {tuple(clips.shape)}, expected (clips, frames, 3, height, width)")
        if clips.shape[1] != self.num_frames:
            raise ValueError(
                f"clips have {clips.shape[1]} frames, but the model was built for {self.num_frames} (data.num_frames)"
            )
        if tuple(clips.shape[3:]) != (height, width):
            raise ValueError(
                f"frames are {clips.shape[3]}x{clips.shape[4]} pixels, but the encoder takes {height}x{width}; "
                "data.image_size sets both where the encoder's config follows it"
            )
