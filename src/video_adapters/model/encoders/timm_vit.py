"""timm's VisionTransformer (ImageNet-21k ViT, DINOv2, DeiT, ...) with its standard block."""

from copy import deepcopy

import torch.nn.functional as F
from einops import rearrange
from timm.layers import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from video_adapters.model.encoders.encoder import Encoder, Parts, as_rgb, check_patches, keep_only, pixels, require


class TimmVitParts(Parts):
    """x + ls1(attn(norm1 x)), then x + ls2(mlp(norm2 x)). The block's own drop path stays off: adapters have theirs."""

    wraps = Block

    def __init__(self, block: nn.Module) -> None:
        super().__init__(block)
        require(type(self.block.attn) is Attention, block, "with timm's standard Attention")

    @property
    def width(self) -> int:
        return self.block.norm1.normalized_shape[0]

    @property
    def num_heads(self) -> int:
        return self.block.attn.num_heads

    def norm1(self, x: Tensor) -> Tensor:
        return self.block.norm1(x)

    def attend(self, x: Tensor, keep: int | None = None) -> Tensor:
        attention = self.block.attn
        return self.block.ls1(attention(x) if keep is None else _answers(attention, x, keep))

    def attend_time(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        return self.block.ls1(self.block.attn(x, attn_mask=bias))

    def norm2(self, x: Tensor) -> Tensor:
        return self.block.norm2(x)

    def mlp(self, x: Tensor) -> Tensor:
        return self.block.ls2(self.block.mlp(x))

    def time_copy(self) -> "TimmVitParts":
        twin = deepcopy(self)
        keep_only(twin.block, ("norm1", "attn", "ls1"))
        return twin

    def positions(self) -> list[nn.Parameter]:
        return []


class TimmVit(Encoder):
    """Any `timm.create_model(..., num_classes=0)` that is a plain VisionTransformer."""

    wraps = VisionTransformer

    def __init__(self, net: VisionTransformer) -> None:
        super().__init__()
        require(net.attn_pool is None, net, "without attention pooling")
        require(isinstance(net.head, nn.Identity), net, "without its classifier (num_classes: 0)")
        require(net.global_pool != "", net, "with pooling (global_pool: token or avg)")
        require(isinstance(net.patch_drop, nn.Identity), net, "without patch dropout (patch_drop_rate: 0)")
        require(not net.dynamic_img_size, net, "with a fixed image size (dynamic_img_size: false)")
        self.blocks = [TimmVitParts(block) for block in net.blocks]
        net.blocks = nn.Sequential()
        self.net = net
        self.depths = (len(self.blocks),)
        self.pooled = 1 if net.global_pool == "token" else None
        self.prefix = net.num_prefix_tokens
        self.image_size = pixels(net.patch_embed.img_size)
        check_patches(self.image_size, pixels(net.patch_embed.patch_size))
        self.mean = as_rgb(net.pretrained_cfg["mean"])
        self.std = as_rgb(net.pretrained_cfg["std"])

    @property
    def width(self) -> int:
        return self.net.num_features

    @property
    def final_norm(self) -> nn.Module:
        return self.net.norm if not isinstance(self.net.norm, nn.Identity) else self.net.fc_norm

    @property
    def patches(self) -> nn.Conv2d:
        return self.net.patch_embed.proj

    def embeddings(self) -> list[nn.Parameter]:
        return [p for p in (self.net.cls_token, self.net.reg_token, self.net.pos_embed) if p is not None]

    def embed(self, frames: Tensor) -> Tensor:
        return self.net.patch_drop(self.net._pos_embed(self.net.patch_embed(frames)))

    def pre_norm(self, x: Tensor) -> Tensor:
        return self.net.norm_pre(x)

    def merge(self, x: Tensor, block: int) -> Tensor:
        return x

    def pool(self, x: Tensor) -> Tensor:
        return self.net.forward_head(self.net.norm(x), pre_logits=True)


def _answers(attention: Attention, x: Tensor, keep: int) -> Tensor:
    """What timm's attention gives the first `keep` tokens: (M, N, D) -> (M, keep, D). No other query is computed."""
    drops = attention.training and (attention.attn_drop.p > 0 or attention.proj_drop.p > 0)
    if drops or type(attention.qkv) is not nn.Linear or getattr(attention, "gate", None) is not None:
        return attention(x)[:, :keep]
    width = attention.num_heads * attention.head_dim
    weight, bias = attention.qkv.weight, attention.qkv.bias
    queries = F.linear(x[:, :keep], weight[:width], None if bias is None else bias[:width])
    others = F.linear(x, weight[width:], None if bias is None else bias[width:])
    q = rearrange(queries, "m n (h d) -> m h n d", h=attention.num_heads)
    k, v = rearrange(others, "m n (two h d) -> two m h n d", two=2, h=attention.num_heads)
    y = F.scaled_dot_product_attention(attention.q_norm(q), attention.k_norm(k), v)
    return attention.proj(attention.norm(rearrange(y, "m h n d -> m n (h d)")))
