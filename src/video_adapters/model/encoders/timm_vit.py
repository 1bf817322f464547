"""timm's VisionTransformer (ImageNet-21k ViT, DINOv2, DeiT, ...) with its standard block."""

from copy import deepcopy

from timm.layers import Attention, AttentionPoolLatent, GluMlp, Mlp, PatchEmbed, SwiGLU
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from video_adapters.model.encoders.attention import Heads, Mix, Unprojected, over_time, split, within_frames
from video_adapters.model.encoders.encoder import Parts, keep_only, require
from video_adapters.model.encoders.linears import Linears, affine
from video_adapters.model.encoders.timm_tokens import TimmTokens, fix_image_size


class TimmVitParts(Parts):
    """x + ls1(attn(norm1 x)), then x + ls2(mlp(norm2 x)). The block's own drop path stays off: adapters have theirs."""

    wraps = Block
    mixes = True

    def __init__(self, block: nn.Module) -> None:
        super().__init__(block)
        require(type(self.block.attn) is Attention, block, "with timm's standard Attention")
        self.width, self.num_heads = self.block.norm1.normalized_shape[0], self.block.attn.num_heads

    @property
    def norm1(self) -> nn.Module:
        return self.block.norm1

    def attend(self, x: Tensor, keep: int | None = None, mix: Mix | None = None) -> Unprojected:
        heads = self._split(x, keep).mixed(mix)
        return self._unprojected(within_frames(heads, dropout=self._dropout()), x, keep)

    def attend_time(self, x: Tensor, num_times: int, bias: Tensor | None = None) -> Unprojected:
        return self._unprojected(over_time(self._split(x), num_times, bias, dropout=self._dropout()), x)

    @property
    def norm2(self) -> nn.Module:
        return self.block.norm2

    def mlp(self, x: Tensor) -> Tensor:
        return self.block.ls2(self.block.mlp(x))

    def linears(self) -> Linears:
        attention, mlp = self.block.attn, self.block.mlp
        require(type(mlp) in (Mlp, GluMlp, SwiGLU), self.block, "with timm's Mlp, GluMlp or SwiGLU")
        gate = getattr(attention, "gate", None)  # of what the heads give, by the tokens that entered
        return Linears(
            attention_in=[affine(layer) for layer in (attention.qkv, gate) if layer is not None],
            attention_out=affine(attention.proj, getattr(self.block.ls1, "gamma", None)),
            mlp_in=[affine(layer) for layer in ([mlp.fc1_g, mlp.fc1_x] if type(mlp) is SwiGLU else [mlp.fc1])],
            mlp_out=affine(mlp.fc2, getattr(self.block.ls2, "gamma", None)),
        )

    def time_copy(self) -> "TimmVitParts":
        twin = deepcopy(self)
        keep_only(twin.block, ("norm1", "attn", "ls1"))
        return twin

    def _split(self, x: Tensor, keep: int | None = None) -> Heads:
        attention = self.block.attn
        q, k, v = split(x, attention.qkv.weight, attention.qkv.bias, self.num_heads, keep)
        return Heads(attention.q_norm(q), attention.k_norm(k), v)

    def _dropout(self) -> float:
        drop = self.block.attn.attn_drop
        return drop.p if drop.training else 0.0

    def _unprojected(self, mixed: Tensor, x: Tensor, keep: int | None = None) -> Unprojected:
        attention = self.block.attn
        mixed = attention.norm(mixed)
        if getattr(attention, "gate", None) is not None:
            mixed = mixed * attention.gate(x[:, :keep]).sigmoid()
        if attention.training and attention.proj_drop.p > 0:
            return Unprojected(self.block.ls1(attention.proj_drop(attention.proj(mixed))))
        return Unprojected(mixed, attention.proj.weight, attention.proj.bias, getattr(self.block.ls1, "gamma", None))


class TimmVit(TimmTokens):
    """Any `timm.create_model(..., num_classes=0)` that is a plain VisionTransformer.

    Attention pooling, SigLIP's, came with the weights and stays frozen like them.
    """

    wraps = VisionTransformer

    def __init__(self, net: VisionTransformer) -> None:
        require(type(net.patch_embed) is PatchEmbed, net, "with one convolution for its patches")
        require(type(net.attn_pool) in (type(None), AttentionPoolLatent), net, "with pooling by a query or none")
        require(isinstance(net.head, nn.Identity), net, "without its classifier (num_classes: 0)")
        require(net.global_pool != "", net, "with pooling (global_pool: token or avg)")
        require(isinstance(net.patch_drop, nn.Identity), net, "without patch dropout (patch_drop_rate: 0)")
        fix_image_size(net)
        blocks = [TimmVitParts(block) for block in net.blocks]
        net.blocks = nn.Sequential()
        super().__init__(net, blocks)

    def embed(self, frames: Tensor) -> Tensor:
        return self.net._pos_embed(self.net.patch_embed(frames))
