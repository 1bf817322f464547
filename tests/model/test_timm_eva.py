"""timm's Eva: rotation within frames and none over time, and every build that is run or refused."""

from typing import Any

import pytest
import timm
import torch
from hydra.utils import instantiate
from timm.data import IMAGENET_DEFAULT_MEAN, OPENAI_CLIP_MEAN
from torch import Tensor

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.build import without_weights
from video_adapters.model.encoders.attention import Unprojected, over_time
from video_adapters.model.encoders.pretrained import open_up
from video_adapters.model.encoders.timm_eva import TimmEva, TimmEvaParts
from video_adapters.model.execution import cast_frozen

from helpers.networks import clips, network, randomise, timm_eva
from helpers.toy import composed

T = 4
FROZEN = Aim(temporal=None, spatial=None, joint=None, final_norm=False)

PUBLISHED: dict[str, dict[str, Any]] = {
    "DINOv3, patch mean": {"model_name": "vit_small_patch16_dinov3"},
    "DINOv3, class token": {"model_name": "vit_small_patch16_dinov3", "global_pool": "token"},
    "DINOv3, fixed size": {"model_name": "vit_small_patch16_dinov3", "dynamic_img_size": False},
    "DINOv3, biases": {"model_name": "vit_small_patch16_dinov3_qkvb"},
    "DINOv3 plus, SwiGLU": {"model_name": "vit_small_plus_patch16_dinov3"},
    "LingBot": {"model_name": "vit_small_patch16_lingbot"},
    "PE-Core": {"model_name": "vit_pe_core_tiny_patch16_384"},
    "PE-Lang, no final norm": {"model_name": "vit_pe_lang_large_patch14_448", "patch_size": 16},
    "EVA-02-CLIP, inner norms": {"model_name": "eva02_base_patch16_clip_224"},
    "EVA-02 tiny, packed SwiGLU": {"model_name": "eva02_tiny_patch14_224", "patch_size": 16},
    "EVA-02, any size": {"model_name": "eva02_base_patch16_clip_224", "dynamic_img_size": True},
    "EVA, no rotation": {"model_name": "eva_giant_patch14_224", "patch_size": 16},
    "ViT with RoPE, a register": {"model_name": "vit_base_patch16_rope_reg1_gap_256"},
    "Sapiens2, coordinates rescaled at random": {"model_name": "vit_base_patch16_sapiens2", "num_kv_heads": 4},
    "MRoPE": {"model_name": "vit_small_patch16_dinov3", "rope_type": "mrope", "rope_temperature": 100.0},
}
CONFIGS = [
    ("dinov3_vit_s16", 384, 12, 5, 1, IMAGENET_DEFAULT_MEAN),
    ("dinov3_vit_b16", 768, 12, 5, 1, IMAGENET_DEFAULT_MEAN),
    ("dinov3_vit_l16", 1024, 24, 5, 1, IMAGENET_DEFAULT_MEAN),
    ("lingbot_vit_b16", 768, 12, 5, 1, IMAGENET_DEFAULT_MEAN),
    ("pe_core_s16", 384, 12, 1, None, (0.5, 0.5, 0.5)),
    ("pe_core_b16", 768, 12, 1, None, (0.5, 0.5, 0.5)),
    ("pe_core_l14", 1024, 24, 1, None, (0.5, 0.5, 0.5)),
    ("eva02_b16", 768, 12, 1, 1, OPENAI_CLIP_MEAN),
]
OBLONG = (48, 32)  # three rows of two patches: which side is which shows


@pytest.mark.parametrize("name", PUBLISHED)
@torch.no_grad()
def test_features_are_those_of_timm(name: str) -> None:
    net: Any = network(timm_eva(**PUBLISHED[name], img_size=OBLONG)).eval()
    frames = torch.randn(2 * T, 3, *OBLONG)
    expected = net.forward_head(net.forward_features(frames), pre_logits=True)
    backbone = Backbone(open_up(net.train()), FROZEN, T).eval()
    ours = backbone.features(frames.unflatten(0, (2, T))).flatten(0, 1)
    torch.testing.assert_close(ours, expected, atol=1e-6 * expected.abs().max().item(), rtol=0)
    assert expected.std() > 0.01


def rotated_over_time(self: Any, x: Tensor, num_times: int, bias: Tensor | None = None) -> Unprojected:
    """`attend_time` with the rotation of the attention within frames on its queries and keys."""
    return self._unprojected(over_time(self._rotated(self._split(x)), num_times, bias))


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name not in ("EVA, no rotation",)])
@torch.no_grad()
def test_attention_over_time_needs_no_rotation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames of a place share one rotation R, and (R q)(R k) = q k: AIM is the same with it and without.

    To 1e-6, since angles are known to fp32: the squares of a sine and a cosine do not quite sum to 1.
    """
    encoder = open_up(network(timm_eva(**PUBLISHED[name])))
    backbone = Backbone(encoder, Aim(temporal_in="all", drop_path=0.0), T).double().eval()
    randomise(backbone)
    without = backbone.features(clips())
    monkeypatch.setattr(TimmEvaParts, "attend_time", rotated_over_time)
    torch.testing.assert_close(backbone.features(clips()), without, atol=1e-6 * without.abs().max().item(), rtol=0)
    parts: Any = backbone.blocks[0].parts
    heads = parts._split(torch.randn(T, len(parts.rope), parts.width).double())
    turned = parts._rotated(heads)
    assert not torch.allclose(turned.q, heads.q, atol=0.01)
    prefix = encoder.prefix
    assert torch.equal(turned.k[:, :prefix], heads.k[:, :prefix])  # class token and registers have no place


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # torch's RMS norm of half queries
@pytest.mark.parametrize("name", PUBLISHED)
@torch.no_grad()
def test_frozen_weights_in_half_precision_give_the_same_bits_under_amp(name: str) -> None:
    backbone = Backbone(open_up(network(timm_eva(**PUBLISHED[name]))), FROZEN, T).eval()
    with torch.autocast("cpu", torch.bfloat16):
        whole = backbone.features(clips())
        cast_frozen(backbone, torch.bfloat16)
        assert torch.equal(backbone.features(clips()), whole)


def test_the_rotation_stays_in_full_precision_where_frozen_weights_are_halved() -> None:
    backbone = Backbone(open_up(network(timm_eva())), Aim(), T)
    cast_frozen(backbone, torch.bfloat16)
    blocks: Any = backbone.blocks
    assert {block.parts.rope.dtype for block in blocks} == {torch.float32}
    assert {block.parts.block.attn.qkv.weight.dtype for block in blocks} == {torch.bfloat16}
    assert not any("rope" in name for name in backbone.state_dict())


def test_a_copy_for_time_holds_no_rotation_and_no_mlp() -> None:
    parts = open_up(network(timm_eva())).blocks[0]
    twin = parts.time_copy()
    assert {name.split(".")[1] for name, _ in twin.named_parameters()} == {"norm1", "attn", "gamma_1"}
    assert not [*twin.buffers()]
    x = torch.randn(T, 5, parts.width)
    assert torch.equal(twin.attend_time(x, T).project(), parts.attend_time(x, T).project())


class OtherAttention(timm.models.eva.EvaAttention):
    """Another forward pass may hide in a subclass."""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_post_norm": True}, r"block is a .*EvaBlockPostNorm, but TimmEvaParts knows .*EvaBlock only"),
        ({"attn_type": "rope", "qkv_fused": False, "num_kv_heads": 1}, r"not grouped ones \(num_kv_heads: null\)"),
        ({"rope_type": "mixed", "rope_rotate_half": False}, r"with one RoPE for all blocks \(.*\), not mixed"),
        ({"patch_drop_rate": 0.5}, r"without patch dropout \(patch_drop_rate: 0\)"),
        ({"num_classes": 5}, r"without its classifier \(num_classes: 0\)"),
        ({"global_pool": ""}, "with pooling"),
        ({"img_size": 40, "patch_size": 16}, "frames of 40x40 pixels are no whole number of 16x16 patches"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_what_would_run_otherwise_is_refused_in_a_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_up(network(timm_eva(**changes)))


def test_attentions_of_another_kind_are_refused() -> None:
    net: Any = network(timm_eva())
    net.blocks[0].attn.__class__ = OtherAttention
    with pytest.raises(ValueError, match="EvaBlock is supported only with timm's EvaAttention or AttentionRope"):
        open_up(net)


@pytest.mark.parametrize(
    ("config", "width", "depth", "prefix", "pooled", "statistics"),
    [
        ("pe_core_t16", 192, 12, 1, None, (0.5, 0.5, 0.5)),
        *(pytest.param(*row, marks=pytest.mark.slow) for row in CONFIGS),
    ],
)
def test_configs_build_the_encoders_that_they_name(
    config: str, width: int, depth: int, prefix: int, pooled: int | None, statistics: tuple[float, float, float]
) -> None:
    cfg = composed(f"model={config}", "data.image_size=224")
    assert cfg.model.weights in [one.split(".")[1] for one in timm.list_pretrained(f"{cfg.model.encoder.model_name}.*")]
    with torch.device("meta"):
        encoder = instantiate(without_weights(cfg).model, _convert_="all")
    assert isinstance(encoder, TimmEva)
    assert (encoder.width, encoder.depths, encoder.prefix, encoder.pooled) == (width, (depth,), prefix, pooled)
    assert (encoder.image_size, encoder.class_token, encoder.mean) == ((224, 224), True, statistics)
    patches = (224 // int(config[-2:])) ** 2
    assert encoder.blocks[0].rope.shape == (prefix + patches, 1, 2 * width // encoder.blocks[0].num_heads)
