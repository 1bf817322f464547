"""The attentive probe: blocks of self-attention, then a learned query that attends to what they give."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from video_adapters.model.heads.head import Reads
from video_adapters.model.heads.query_head import QueryHead, attend, mlp4, start


class AttentiveHead(QueryHead):
    """Blocks of self-attention over the clip, one of a query, linear: (B, T, D) or (B, T, N, D) -> (B, num_classes).

    The probe by which V-JEPA 2 is evaluated, 47 D^2 parameters beside the linear layer (27.9 M at D 768 and 174
    classes). There no position is added, since a video encoder's tokens carry order; an image encoder's do not.

    Args:
        width: D.
        num_classes: of the scores.
        num_times: T.
        depth: blocks of self-attention ahead of the query's.
        reads, positions, standardise: `QueryHead`'s, whose errors these are too.

    Raises:
        ValueError: for a negative depth.
    """

    def __init__(
        self,
        width: int,
        num_classes: int,
        num_times: int,
        depth: int = 3,
        reads: Reads = "frames",
        positions: str = "sincos",
        standardise: bool = True,
    ) -> None:
        super().__init__(width, num_classes, num_times, reads, positions, standardise)
        if type(depth) is not int or depth < 0:
            raise ValueError(f"head.depth is {depth}, expected at least 0 blocks of self-attention")
        blocks = [SelfBlock(width, self.num_heads) for _ in range(depth)]
        self.blocks = nn.Sequential(*blocks)
        self.last = QueryBlock(width, self.num_heads)
        start(self)
        lasts: list[tuple[Any, int]] = [(self.last.mlp[2], max(depth, 1))]
        for i, block in enumerate(blocks, start=1):
            lasts += [(block.proj, i), (block.mlp[2], i)]
        with torch.no_grad():  # the last layer of each branch over the root of how many branches lead there
            for layer, i in lasts:
                layer.weight.div_(math.sqrt(2 * i))

    def seen(self, x: Tensor) -> Tensor:
        return self.last(self.query.expand(x.shape[0], -1, -1), self.blocks(x))[:, 0]


class SelfBlock(nn.Module):
    """x += MHA(LN x); x += MLP(LN x): (B, tokens, D) -> same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = mlp4(width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        x = x + self.proj(attend(q, k, v, self.heads))
        return x + self.mlp(self.norm2(x))


class QueryBlock(nn.Module):
    """q += softmax(Wq q (Wk z)^T / sqrt d) Wv z with z = LN x; q += MLP(LN q): (B, 1, D), (B, tokens, D) -> (B, 1, D).

    As released: no norm on the query that attends, and no projection of what it attended to.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mlp = mlp4(width)

    def forward(self, query: Tensor, x: Tensor) -> Tensor:
        k, v = self.kv(self.norm1(x)).chunk(2, dim=-1)
        query = query + attend(self.q(query), k, v, self.heads)
        return query + self.mlp(self.norm2(query))
