"""timm's SwinTransformer (Liu et al. 2021) with its standard block."""

from copy import deepcopy
from itertools import accumulate

from timm.models.swin_transformer import SwinTransformer, SwinTransformerBlock, WindowAttention
from torch import Tensor, nn

from video_adapters.model.encoders.attention import Mix, Unprojected, over_time, split
from video_adapters.model.encoders.encoder import Encoder, Parts, as_rgb, check_patches, keep_only, pixels, require
from video_adapters.model.encoders.linears import Linears, affine


class TimmSwinParts(Parts):
    """x + attn(norm1 x) within windows, then x + mlp(norm2 x), over tokens that stay a grid: (B*T, H, W, D).

    The block's own drop path stays off: adapters have theirs.
    """

    wraps = SwinTransformerBlock

    def __init__(self, block: nn.Module) -> None:
        super().__init__(block)
        require(type(self.block.attn) is WindowAttention, block, "with timm's WindowAttention")
        self.width, self.num_heads = self.block.dim, self.block.attn.num_heads

    @property
    def norm1(self) -> nn.Module:
        return self.block.norm1

    def attend(self, x: Tensor, keep: int | None = None, mix: Mix | None = None) -> Unprojected:
        assert keep is None, "a Swin's features are the mean over all tokens"
        assert mix is None, "windows are attended to by timm's own code"
        return Unprojected(self.block._attn(x))

    def attend_time(self, x: Tensor, num_times: int, bias: Tensor | None = None) -> Unprojected:
        attention = self.block.attn
        heads = split(x.flatten(1, -2), attention.qkv.weight, attention.qkv.bias, self.num_heads)
        mixed = over_time(heads, num_times, bias).view(x.shape)
        if attention.training and attention.proj_drop.p > 0:
            return Unprojected(attention.proj_drop(attention.proj(mixed)))
        return Unprojected(mixed, attention.proj.weight, attention.proj.bias)

    @property
    def norm2(self) -> nn.Module:
        return self.block.norm2

    def mlp(self, x: Tensor) -> Tensor:
        return self.block.mlp(x)

    def linears(self) -> Linears:
        attention, mlp = self.block.attn, self.block.mlp
        into = affine(attention.qkv)._replace(bias=None)  # a shift ahead of it leaves the zeros that pad windows zero
        return Linears([into], affine(attention.proj), [affine(mlp.fc1)], affine(mlp.fc2))

    def time_copy(self) -> "TimmSwinParts":
        twin = deepcopy(self)
        keep_only(twin.block, ("norm1", "attn"))
        del twin.block.attn.relative_position_bias_table
        return twin

    def positions(self) -> list[nn.Parameter]:
        return [self.block.attn.relative_position_bias_table]


class TimmSwin(Encoder):
    """Any `timm.create_model(..., num_classes=0)` that is a plain SwinTransformer."""

    wraps = SwinTransformer

    def __init__(self, net: SwinTransformer) -> None:
        super().__init__()
        require(isinstance(net.head.fc, nn.Identity), net, "without its classifier (num_classes: 0)")
        require(net.global_pool == "avg", net, "with mean pooling (global_pool: avg)")
        require(net.patch_embed.strict_img_size, net, "with a fixed image size (strict_img_size: true)")
        self.depths = tuple(len(stage.blocks) for stage in net.layers)
        self.blocks = [TimmSwinParts(block) for stage in net.layers for block in stage.blocks]
        for stage in net.layers:
            stage.blocks = nn.Sequential()
        self.net = net
        self.width = net.num_features
        self.pooled = None
        self.prefix = 0
        self.class_token = False
        self.image_size = pixels(net.patch_embed.img_size)
        check_patches(self.image_size, pixels(net.patch_embed.patch_size))
        self.mean = as_rgb(net.pretrained_cfg["mean"])
        self.std = as_rgb(net.pretrained_cfg["std"])
        self._stages = dict(zip(accumulate((0, *self.depths[:-1])), range(len(self.depths)), strict=True))

    @property
    def final_norm(self) -> nn.Module:
        return self.net.norm

    @property
    def patches(self) -> nn.Conv2d:
        return self.net.patch_embed.proj

    def embeddings(self) -> list[nn.Parameter]:
        return []

    def embed(self, frames: Tensor) -> Tensor:
        return self.net.patch_embed(frames)

    def merge(self, x: Tensor, block: int) -> Tensor:
        return self.net.layers[self._stages[block]].downsample(x) if block in self._stages else x

    def pool_as_published(self, x: Tensor) -> Tensor:
        return self.net.forward_head(self.net.norm(x), pre_logits=True)
