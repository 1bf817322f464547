"""The common frame of timm's VisionTransformer and Eva: everything around their blocks, by their own methods."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from video_adapters.model.encoders.encoder import Encoder, Parts, as_rgb, check_patches, pixels


class TimmTokens(Encoder):
    """A timm network of one stage, whose tokens are a row: prefix, then patches.

    Args:
        net: the network, without its blocks.
        blocks: these, by their parts.
    """

    def __init__(self, net: Any, blocks: Sequence[Parts]) -> None:
        super().__init__()
        self.net, self.blocks, self.depths = net, blocks, (len(blocks),)
        self.width = net.num_features
        self.pooled = 1 if net.global_pool == "token" else None
        self.prefix = net.num_prefix_tokens
        self.class_token = net.cls_token is not None
        self.image_size = pixels(net.patch_embed.img_size)
        check_patches(self.image_size, pixels(net.patch_embed.patch_size))
        self.mean = as_rgb(net.pretrained_cfg["mean"])
        self.std = as_rgb(net.pretrained_cfg["std"])

    @property
    def final_norm(self) -> nn.Module:
        return self.net.norm if not isinstance(self.net.norm, nn.Identity) else self.net.fc_norm

    @property
    def patches(self) -> nn.Conv2d:
        return self.net.patch_embed.proj

    def embeddings(self) -> list[nn.Parameter]:
        return [p for p in (self.net.cls_token, self.net.reg_token, self.net.pos_embed) if p is not None]

    def pre_norm(self, x: Tensor) -> Tensor:
        return self.net.norm_pre(x)

    def pool_as_published(self, x: Tensor) -> Tensor:
        return self.net.forward_head(self.net.norm(x), pre_logits=True)


def fix_image_size(net: Any) -> None:
    """Settles a network whose image size is left open: frames have one, for which nothing need be made again."""
    if net.dynamic_img_size:
        net.dynamic_img_size, net.patch_embed.flatten = False, True
