"""Counts of a toy against the closed form."""

import pytest
import torch

from video_adapters.model.adapters.adapted_block import AdapterMethod
from video_adapters.model.adapters.aim import Aim
from video_adapters.model.adapters.lora import Lora
from video_adapters.model.adapters.zeroi2v import ZeroI2V
from video_adapters.model.backbone import Backbone
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.cost import Cost, count, training_flops
from video_adapters.model.encoders.pretrained import load_encoder
from video_adapters.model.execution import Memory
from video_adapters.model.heads.mean import MeanHead

from helpers.networks import DEPTH, timm_vit

T, D, CLASSES = 8, 32, 7
PATCHES, TOKENS, PIXELS = 4, 5, 3 * 16 * 16
HIDDEN = 8  # D * 0.25


def counted(method: Aim, device: str) -> Cost:
    with torch.device(device):
        encoder = load_encoder(timm_vit(), allow_random=True)
        return count(VideoClassifier(Backbone(encoder, method, T), MeanHead(D, CLASSES)).eval())


def closed_form(method: Aim) -> Cost:
    adapters = sum(site == "all" for site in (method.temporal, method.temporal_in, method.spatial, method.joint))
    with_time = method.temporal == "all"
    attention = 4 * TOKENS * D * D  # qkv and projection
    frame = attention + 2 * TOKENS * TOKENS * D + 8 * TOKENS * D * D + adapters * 2 * TOKENS * D * HIDDEN
    if with_time:
        frame += attention + 2 * TOKENS * T * D  # each token looks at T frames
    macs = T * (PATCHES * PIXELS * D + DEPTH * frame) + D * CLASSES

    norm, head = 2 * D, D * CLASSES + CLASSES
    adapter = D * HIDDEN + HIDDEN + HIDDEN * D + D
    block = 2 * norm + 4 * D * D + 4 * D + 8 * D * D + 5 * D
    frozen = PIXELS * D + D + D + TOKENS * D + DEPTH * block  # patches, class token, positions, blocks
    trainable = DEPTH * adapters * adapter + with_time * T * D + norm + head
    # the last block's attention within frames answers the class token alone, and no other goes on from there
    dead_tokens = TOKENS - 1
    dead = (
        2 * D * D
        + 2 * TOKENS * D
        + 8 * D * D
        + 2 * D * HIDDEN * sum(s == "all" for s in (method.spatial, method.joint))
    )
    # the layer after an attention and the adapter's first make one: for time instead of, for space beside the first
    composed = (method.temporal == "all") + (method.spatial == "all")
    fused = DEPTH * (composed * HIDDEN * D * D - with_time * T * TOKENS * D * D)
    return Cost(frozen + trainable, trainable, macs, macs - T * dead_tokens * dead + fused)


@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize(
    "method",
    [Aim(), Aim(temporal_in="all"), Aim(temporal=None), Aim(temporal=None, spatial=None, joint=None)],
    ids=["aim", "two temporal", "no time", "none"],
)
def test_counts_are_the_closed_form(method: Aim, device: str) -> None:
    assert counted(method, device) == closed_form(method)


@pytest.mark.parametrize(("method", "folds"), [(Aim(), False), (Lora(), True), (ZeroI2V(), True)])
def test_counting_leaves_the_model_as_it_was(method: AdapterMethod, folds: bool) -> None:
    encoder = load_encoder(timm_vit(), allow_random=True)
    model = VideoClassifier(Backbone(encoder, method, T), MeanHead(D, CLASSES)).eval()
    clips, names = torch.randint(256, (1, T, 3, 32, 32), dtype=torch.uint8), list(model.state_dict())
    before = model(clips)
    assert (count(model).folded > 0) == folds
    assert not any(module.training for module in model.modules())
    assert list(model.state_dict()) == names
    assert torch.equal(model(clips), before)


@pytest.mark.parametrize("method", [Lora(), ZeroI2V()])
def test_what_can_be_folded_costs_what_the_encoder_costs_where_it_is_deployed(method: AdapterMethod) -> None:
    encoder = load_encoder(timm_vit(), allow_random=True)
    counts = count(VideoClassifier(Backbone(encoder, method, T), MeanHead(D, CLASSES)).eval())
    plain = closed_form(Aim(temporal=None, spatial=None, joint=None))
    embedding = T * D if isinstance(method, ZeroI2V) else 0
    assert counts.params - counts.folded == plain.params + embedding
    assert counts.macs == plain.macs
    assert counts.macs_run > plain.macs_run


@pytest.mark.parametrize("clips", [1, 3])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_training_counts_gradients_of_inputs_of_attention_twice_and_of_weights_that_train(
    clips: int, device: str
) -> None:
    with torch.device(device):
        encoder = load_encoder(timm_vit(), allow_random=True)
        backbone = Backbone(encoder, Aim(), T, memory=Memory(skip_dead_work=False))
        model = VideoClassifier(backbone, MeanHead(D, CLASSES))
    tokens = clips * T * TOKENS
    patches = clips * T * PATCHES * PIXELS * D  # nothing trains below them
    frozen = tokens * D * D * (2 * 3 + 1 + 8)  # qkv over time and space, the projection in space, the MLP
    attention = 2 * tokens * D * (T + TOKENS)
    adapters = 3 * 2 * tokens * D * HIDDEN
    composed = 2 * HIDDEN * D * D  # of the adapters after an attention; their frozen half gets no gradient
    head = clips * D * CLASSES
    macs = patches + DEPTH * (2 * frozen + 3 * attention + 3 * adapters + 2 * composed) + 3 * head
    assert training_flops(model, clips) == 2 * macs
    assert all(p.grad is None for p in model.parameters())
