"""timm's Eva (DINOv3, PE-Core, EVA-02, LingBot-Vision): a ViT with rotary position embedding in its attention."""

from copy import deepcopy

from timm.layers import AttentionRope, SwiGLU, apply_rot_embed_cat
from timm.models.eva import Eva, EvaAttention, EvaBlock
from torch import Tensor, cat, nn

from video_adapters.model.encoders.attention import Heads, Mix, Unprojected, over_time, split, split_by, within_frames
from video_adapters.model.encoders.encoder import Parts, keep_only, require
from video_adapters.model.encoders.linears import Linears, affine
from video_adapters.model.encoders.timm_tokens import TimmTokens, fix_image_size


class TimmEvaParts(Parts):
    """x + gamma_1 attn(norm1 x), then x + gamma_2 mlp(norm2 x). Drop path of the block stays off: adapters have theirs.

    Within frames, queries and keys are rotated by the places of their tokens (RoPE, Su et al. 2021). Over time they are
    not, nor need be: the tokens of a place share one rotation R, and (R q)(R k) = q k.

    Args:
        block: the pretrained block.
        rope: sines and cosines of each token's angles, (N, 1, 2d); None: no rotation. Stays in fp32.
    """

    wraps = EvaBlock
    mixes = True

    rope: Tensor | None

    def __init__(self, block: nn.Module, rope: Tensor | None = None) -> None:
        super().__init__(block)
        attention = self.block.attn
        require(type(attention) in (EvaAttention, AttentionRope), block, "with timm's EvaAttention or AttentionRope")
        groups = getattr(attention, "num_kv_groups", 1)
        require(groups == 1, block, "with a key and a value for each query, not grouped ones (num_kv_heads: null)")
        require(attention.gate is None, block, "without a gate behind its attention")
        self.width, self.num_heads = self.block.norm1.normalized_shape[0], attention.num_heads
        self.register_buffer("rope", rope, persistent=False)

    @property
    def norm1(self) -> nn.Module:
        return self.block.norm1

    def attend(self, x: Tensor, keep: int | None = None, mix: Mix | None = None) -> Unprojected:
        heads = self._rotated(self._split(x, keep)).mixed(mix)
        return self._unprojected(within_frames(heads, dropout=self._dropout()))

    def attend_time(self, x: Tensor, num_times: int, bias: Tensor | None = None) -> Unprojected:
        return self._unprojected(over_time(self._split(x), num_times, bias, dropout=self._dropout()))

    @property
    def norm2(self) -> nn.Module:
        return self.block.norm2

    def mlp(self, x: Tensor) -> Tensor:
        y = self.block.mlp(x)
        return y if self.block.gamma_2 is None else y * self.block.gamma_2

    def linears(self) -> Linears:
        block, mlp = self.block, self.block.mlp
        return Linears(
            attention_in=[affine(layer) for layer in self._projections()],
            attention_out=affine(block.attn.proj, block.gamma_1),
            mlp_in=[affine(layer) for layer in ([mlp.fc1_g, mlp.fc1_x] if type(mlp) is SwiGLU else [mlp.fc1])],
            mlp_out=affine(mlp.fc2, block.gamma_2),
        )

    def time_copy(self) -> "TimmEvaParts":
        twin = deepcopy(self)
        keep_only(twin.block, ("norm1", "attn"))
        twin.block.gamma_2 = twin.rope = None
        return twin

    def _projections(self) -> list[nn.Linear]:
        """The layer of queries, keys and values, or that of each."""
        attention = self.block.attn
        apart = [attention.q_proj, attention.k_proj, attention.v_proj]
        return apart if attention.qkv is None else [attention.qkv]

    def _split(self, x: Tensor, keep: int | None = None) -> Heads:
        attention, layers = self.block.attn, self._projections()
        if len(layers) == 1:
            q, k, v = split(x, layers[0].weight, _bias(attention), self.num_heads, keep)
        else:
            q, k, v = split_by(x, [(layer.weight, layer.bias) for layer in layers], self.num_heads, keep)
        return Heads(attention.q_norm(q), attention.k_norm(k), v)

    def _rotated(self, heads: Heads) -> Heads:
        """Queries and keys, each by the angles of its token."""
        if self.rope is None:
            return heads
        half = self.block.attn.rotate_half
        q, k = (apply_rot_embed_cat(part, self.rope[: part.shape[1]], half) for part in (heads.q, heads.k))
        return Heads(q, k, heads.v)

    def _dropout(self) -> float:
        drop = self.block.attn.attn_drop
        return drop.p if drop.training else 0.0

    def _unprojected(self, mixed: Tensor) -> Unprojected:
        attention, scale = self.block.attn, self.block.gamma_1
        mixed = attention.norm(mixed)
        if attention.training and attention.proj_drop.p > 0:
            y = attention.proj_drop(attention.proj(mixed))
            return Unprojected(y if scale is None else y * scale)
        return Unprojected(mixed, attention.proj.weight, attention.proj.bias, scale)


def _bias(attention: EvaAttention | AttentionRope) -> Tensor | None:
    """Of the packed queries, keys and values: EVA's keys have none, which is a buffer of zeros."""
    if getattr(attention, "q_bias", None) is not None:
        return cat((attention.q_bias, attention.k_bias, attention.v_bias))
    return attention.qkv.bias


class TimmEva(TimmTokens):
    """Any `timm.create_model(..., num_classes=0)` that is an Eva with one rotation for all blocks, or none.

    Attention pooling, the Perception Encoder's, came with the weights and stays frozen like them.
    """

    wraps = Eva

    def __init__(self, net: Eva) -> None:
        require(isinstance(net.head, nn.Identity), net, "without its classifier (num_classes: 0)")
        require(net.global_pool != "", net, "with pooling (global_pool: token or avg)")
        require(net.patch_drop is None, net, "without patch dropout (patch_drop_rate: 0)")
        require(not net.rope_mixed, net, "with one RoPE for all blocks (rope_type: cat or dinov3), not mixed")
        fix_image_size(net)
        rope = _rotation(net)
        blocks = [TimmEvaParts(block, rope) for block in net.blocks]
        net.blocks, net.rope = nn.ModuleList(), None
        super().__init__(net, blocks)

    def embed(self, frames: Tensor) -> Tensor:
        return self.net._pos_embed(self.net.patch_embed(frames))[0]


def _rotation(net: Eva) -> Tensor | None:
    """Sines and cosines by which every token of a frame is rotated, (N, 1, 2d): class token and registers by 0.

    Coordinates that pretraining drew at random stay as they are.
    """
    if net.rope is None:
        return None
    net.rope.eval()
    grid = None if getattr(net.rope, "feat_shape", None) else net.patch_embed.grid_size  # else it has its own, ready
    patches = net.rope.get_embed(shape=grid).float()
    zero = patches.new_zeros(net.num_prefix_tokens, patches.shape[-1] // 2)
    return cat((cat((zero.sin(), zero.cos()), dim=-1), patches)).unsqueeze(1)
