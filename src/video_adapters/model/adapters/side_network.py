"""Side networks: small networks that read what a frozen encoder's blocks give, and send no gradient into it."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class SideNetwork(nn.Module, ABC):
    """A network beside an encoder, a layer for each of its blocks: begin -> step for each block -> end.

    Its tokens are s, (B*T, N, width), the T frames of a clip adjacent; those of the encoder x, (B*T, tokens, D), for
    which it asks no gradient. So nothing in the encoder is kept for a backward pass.

    Attributes:
        width: of its tokens.
        layers: in order, one for each block.
    """

    width: int
    layers: nn.ModuleList

    @abstractmethod
    def begin(self, frames: Tensor, num_times: int) -> Tensor:
        """Its own tokens of the pixels, normalised as the encoder takes them: (B*T, 3, H, W) -> (B*T, N, width).

        Of tubelets, the frames come as channels, as the encoder's do.
        """

    @abstractmethod
    def step(self, block: int, s: Tensor, x: Tensor) -> Tensor:
        """Its layer beside a block, counted from 0, whose tokens are x: (B*T, N, width), (B*T, tokens, D) -> s."""

    @abstractmethod
    def end(self, s: Tensor) -> Tensor:
        """What is read of its tokens, normed: (B*T, N, width) -> same shape."""

    def positions(self) -> list[nn.Parameter]:
        """Parameters that stand for positions, which recipes exempt from weight decay."""
        return []
