"""open_clip's VisionTransformer (OpenAI CLIP, LAION, DataComp, ...) with its standard block."""

from copy import deepcopy

from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

from video_adapters.model.encoders.activation import QuickGelu
from video_adapters.model.encoders.attention import Heads, Mix, Unprojected, over_time, split, within_frames
from video_adapters.model.encoders.encoder import (
    Encoder,
    Parts,
    SharedSpace,
    as_rgb,
    check_patches,
    keep_only,
    pixels,
    require,
)
from video_adapters.model.encoders.linears import Affine, Linears, affine


class OpenClipVitParts(Parts):
    """x + ls_1(attn(ln_1 x)), then x + ls_2(mlp(ln_2 x)).

    The weights of torch's attention module are used without it, to the same bits in fp32; QuickGELU gives way to ours,
    equal up to rounding.
    """

    wraps = ResidualAttentionBlock
    mixes = True

    def __init__(self, block: nn.Module) -> None:
        super().__init__(block)
        if type(self.block.mlp.gelu) is QuickGELU:
            self.block.mlp.gelu = QuickGelu()
        self.width, self.num_heads = self.block.attn.embed_dim, self.block.attn.num_heads

    @property
    def norm1(self) -> nn.Module:
        return self.block.ln_1

    def attend(self, x: Tensor, keep: int | None = None, mix: Mix | None = None) -> Unprojected:
        return self._unprojected(within_frames(self._split(x, keep).mixed(mix)))

    def attend_time(self, x: Tensor, num_times: int, bias: Tensor | None = None) -> Unprojected:
        return self._unprojected(over_time(self._split(x), num_times, bias))

    @property
    def norm2(self) -> nn.Module:
        return self.block.ln_2

    def mlp(self, x: Tensor) -> Tensor:
        return self.block.ls_2(self.block.mlp(x))

    def linears(self) -> Linears:
        attention, mlp = self.block.attn, self.block.mlp
        return Linears(
            attention_in=[Affine(attention, "in_proj_weight", "in_proj_bias")],
            attention_out=affine(attention.out_proj, getattr(self.block.ls_1, "gamma", None)),
            mlp_in=[affine(mlp.c_fc)],
            mlp_out=affine(mlp.c_proj, getattr(self.block.ls_2, "gamma", None)),
        )

    def time_copy(self) -> "OpenClipVitParts":
        twin = deepcopy(self)
        keep_only(twin.block, ("ln_1", "attn", "ls_1"))
        return twin

    def _split(self, x: Tensor, keep: int | None = None) -> Heads:
        attention = self.block.attn
        return split(x, attention.in_proj_weight, attention.in_proj_bias, self.num_heads, keep)

    def _unprojected(self, mixed: Tensor) -> Unprojected:
        last = self.block.attn.out_proj
        return Unprojected(mixed, last.weight, last.bias, getattr(self.block.ls_1, "gamma", None))


class OpenClipVit(Encoder):
    """The image tower of any open_clip model that is a plain VisionTransformer; the projection into CLIP's shared
    space is left out, as in AIM, but where the pooling asks for it."""

    wraps = VisionTransformer

    def __init__(self, net: VisionTransformer) -> None:
        super().__init__()
        require(net.attn_pool is None and net.pool_type != "none", net, "with class-token or mean pooling")
        self.blocks = [OpenClipVitParts(block) for block in net.transformer.resblocks]
        require(net.transformer.batch_first, net, "with batch_first attention")
        require(isinstance(net.patch_dropout, nn.Identity), net, "without patch dropout (force_patch_dropout: 0)")
        net.transformer.resblocks = nn.ModuleList()
        # `_embeds` ends in this norm, but the temporal embedding enters before it: it is taken out of there.
        self.ln_pre, net.ln_pre = net.ln_pre, nn.Identity()
        self.shared, net.proj = _shared(net.proj), None
        self.net = net
        self.depths = (len(self.blocks),)
        self.width = net.ln_post.normalized_shape[0]
        self.pooled = 1 if net.pool_type == "tok" else None
        self.prefix = 1
        self.class_token = True
        self.image_size = pixels(net.image_size)
        check_patches(self.image_size, pixels(net.patch_size))
        self.mean = as_rgb(net.preprocess_cfg["mean"])
        self.std = as_rgb(net.preprocess_cfg["std"])

    @property
    def final_norm(self) -> nn.Module:
        return self.net.ln_post

    @property
    def patches(self) -> nn.Conv2d:
        return self.net.conv1

    def embeddings(self) -> list[nn.Parameter]:
        return [self.net.class_embedding, self.net.positional_embedding]

    def embed(self, frames: Tensor) -> Tensor:
        return self.net._embeds(frames)

    def pre_norm(self, x: Tensor) -> Tensor:
        return self.ln_pre(x)

    def pool_as_published(self, x: Tensor) -> Tensor:
        return self.net._pool(x)[0]


def _shared(projection: nn.Parameter | None) -> SharedSpace | None:
    """By CLIP's matrix (D, width), which files of the image tower alone may lack."""
    if projection is None:
        return None
    width, shared = projection.shape
    linear = nn.Linear(width, shared, bias=False, device="meta")
    linear.weight = nn.Parameter(projection.detach().T.contiguous())
    return SharedSpace(linear, linear.out_features)
