"""Attention pooling by one learned query: a MAP head of one layer."""

import torch
from torch import Tensor, nn

from video_adapters.model.heads.head import Reads
from video_adapters.model.heads.query_head import QueryHead, attend, mlp4, start


class MapHead(QueryHead):
    """h = MHA(q, X, X); h = h + MLP(RMSNorm h); linear(LN h): (B, T, D) or (B, T, N, D) -> (B, num_classes).

    The head by which OneVision-Encoder is evaluated: one query q, X the features with the position of their frame,
    12 D^2 parameters beside the linear layer (7.2 M at D 768 and 174 classes). Arguments and errors are `QueryHead`'s.
    """

    def __init__(
        self,
        width: int,
        num_classes: int,
        num_times: int,
        reads: Reads = "frames",
        positions: str = "sincos",
        standardise: bool = True,
    ) -> None:
        super().__init__(width, num_classes, num_times, reads, positions, standardise)
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.mlp = mlp4(width)
        self.last_norm = nn.LayerNorm(width)
        start(self)
        self.linear.reset_parameters()
        with torch.no_grad():
            for parameter in self.linear.parameters():
                parameter.mul_(1e-3)

    def seen(self, x: Tensor) -> Tensor:
        k, v = self.kv(x).chunk(2, dim=-1)
        q = self.q(self.query).expand(x.shape[0], -1, -1)
        h = self.proj(attend(q, k, v, self.num_heads))[:, 0].to(self.norm.weight.dtype)  # out of half precision
        return self.last_norm(h + self.mlp(self.norm(h)))
