"""Class names as a head: the scores are those that open_clip itself gives of a still clip and the prompts."""

from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor, nn

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.encoders import text_tower, weights
from video_adapters.model.encoders.pretrained import load_encoder
from video_adapters.model.encoders.text_tower import load_text_tower
from video_adapters.model.heads.class_names import NamesHead, words

from helpers.networks import clip_vit, clips, pe_core, randomise, siglip, timm_vit

NETWORKS = {"CLIP": clip_vit(), "SigLIP": siglip(), "PE-Core": pe_core()}
CLASSES, PROMPTS, T = 5, 3, 4
FROZEN = Aim(temporal=None, spatial=None, joint=None, final_norm=False)


def tokens(texts: list[str]) -> Tensor:
    """Numbers of tokens by the texts themselves, as no vocabulary is this small: (K, 8), the last of them the end."""
    numbers = [[1 + (7 * i + ord(text[i])) % 47 for i in (0, 1, 3, 5, 7)] for text in texts]
    return torch.tensor([[0, *row, 49, 0] for row in numbers])


def published(build: "partial[nn.Module]", file: Path) -> Any:
    """The network as open_clip has it, its weights in a file, neither temperature nor bias as they start."""
    model: Any = weights.build_random(build)
    randomise(model)
    torch.save(model.state_dict(), file)
    return model.eval()


def texts(word: int) -> list[str]:
    return [f"{word}{prompt} of a text" for prompt in range(PROMPTS)]


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_a_still_clip_scores_as_open_clip_scores_its_frame(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_tower, "_tokenizer", lambda *_: tokens)
    model = published(NETWORKS[name], file := tmp_path / "clip.pt")
    encoder = load_encoder(NETWORKS[name], str(file), pool="projected")
    backbone = Backbone(encoder, FROZEN, T).eval()
    head = NamesHead(backbone.width, CLASSES, ["{}"])
    tower = load_text_tower(NETWORKS[name], str(file))
    of_all = [text for word in range(CLASSES) for text in texts(word)]
    head.begin(tower.features(of_all).unflatten(0, (CLASSES, PROMPTS)), tower.log_scale, tower.bias)

    still = clips()[:, :1].expand(-1, T, -1, -1, -1)
    image = model.encode_image(backbone.normalise(still)[:, 0], normalize=True)
    rows = [model.encode_text(tokens(texts(word)), normalize=True).mean(0) for word in range(CLASSES)]
    cosines = image @ torch.stack([row / row.norm() for row in rows]).T
    expected = model.logit_scale.exp() * cosines + (0 if model.logit_bias is None else model.logit_bias)
    ours = VideoClassifier(backbone, head).eval()(still)
    torch.testing.assert_close((ours - head.linear.bias) / head.log_scale.exp(), cosines, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.softmax(-1), expected.softmax(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.sigmoid(), expected.sigmoid(), atol=1e-4, rtol=0)  # SigLIP's own probabilities
    assert cosines.std() > 0.001
    assert (name == "SigLIP") == bool(head.linear.bias.all())


def test_the_projection_counts_and_is_compared_only_where_it_pools(tmp_path: Path) -> None:
    build = clip_vit()
    model = published(build, file := tmp_path / "clip.pt")
    plain, projected = load_encoder(build, str(file)), load_encoder(build, str(file), pool="projected")
    assert (plain.width, projected.width) == (64, 16)
    names = [{name for name, _ in encoder.named_parameters()} for encoder in (plain, projected)]
    assert names[1] - names[0] == {"projection.weight"}
    model.visual.proj.data.mul_(2)
    torch.save(model.state_dict(), file)
    assert load_encoder(build, str(file)).fingerprint == plain.fingerprint
    assert load_encoder(build, str(file), pool="projected").fingerprint != projected.fingerprint


def test_a_linear_layer_of_open_clip_behind_a_timm_tower_projects() -> None:
    build = siglip(embed_dim=8, vision_cfg=dict(timm_model_name="siglip_toy", timm_pool="map", timm_proj="linear"))
    torch.manual_seed(0)
    model: Any = weights.build_random(build).eval()
    torch.manual_seed(0)
    backbone = Backbone(load_encoder(build, allow_random=True, pool="projected"), FROZEN, T).eval()
    with torch.no_grad():
        image = model.encode_image(backbone.normalise(clips()).flatten(0, 1))
        torch.testing.assert_close(backbone(clips()).flatten(0, 1), image, atol=1e-5, rtol=0)
    assert backbone.width == 8


def test_frames_and_rows_count_by_their_direction_alone_and_what_trains_is_said() -> None:
    head, frozen = (NamesHead(8, CLASSES, ["{}"], frozen=frozen) for frozen in (False, True))
    features = torch.randn(2, T, 8)
    scores = head(features)
    with torch.no_grad():
        head.linear.weight.mul_(3)
    torch.testing.assert_close(head(features * torch.tensor([1.0, 5, 2, 1])[:, None]), scores)
    assert [name for name, p in head.named_parameters() if p.requires_grad] == ["linear.weight", "linear.bias"]
    assert not any(p.requires_grad for p in frozen.parameters())


def test_the_mean_over_frames_is_of_length_1_again_and_in_float32_under_autocast() -> None:
    head, frames = NamesHead(2, 2, ["{}"]), torch.eye(2)[None]  # two frames at a right angle
    assert head.log_scale.exp().item() == pytest.approx(1 / 0.07)
    head.begin(torch.eye(2)[:, None], 0.0, 0.0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(head(frames), torch.full((1, 2), 0.5**0.5))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ApplyEyeMakeup", "apply eye makeup"),
        ("brush_hair", "brush hair"),
        ("WatchTVShow", "watch tv show"),
        ("Holding [something] next to [something]", "holding something next to something"),
        ("YoYo2", "yo yo2"),
        ("être_assis", "être assis"),
    ],
)
def test_class_names_are_put_into_words(name: str, text: str) -> None:
    assert words(name) == text


def test_words_of_the_config_come_before_those_of_the_names() -> None:
    head = NamesHead(8, 2, ["{}"], names={"0": "sitting down"})
    assert head.in_words(["0", "stand_up"]) == {"0": "sitting down", "stand_up": "stand up"}
    with pytest.raises(ValueError, match=r"class '1' has no words: give head.names"):
        head.in_words(["0", "1"])
    with pytest.raises(ValueError, match=r"words for '0', which is no class of the data set"):
        head.in_words(["a", "b"])


@pytest.mark.parametrize("prompts", [[], "a {}.", ["a {}.", "a person"]])
def test_prompts_without_a_place_for_the_words_are_refused(prompts: Any) -> None:
    with pytest.raises(ValueError, match=r"head.prompts is .* each with \{\} for the class's words"):
        NamesHead(8, 2, prompts)


def test_features_of_another_width_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"width 16, the image tower those of 8: head=names needs model.pool=projected"
    ):
        NamesHead(8, 2, ["{}"]).begin(torch.randn(2, 1, 16), 0.0, 0.0)


def test_networks_and_files_without_a_text_tower_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"vit_tiny_patch16_224 of timm has none: take one of open_clip's"):
        load_text_tower(timm_vit(), allow_random=True)
    with pytest.raises(
        ValueError, match=r"model.pool=projected needs the space shared with text, but this encoder has"
    ):
        load_encoder(timm_vit(), allow_random=True, pool="projected")
    model = published(clip_vit(), tmp_path / "clip.pt")
    torch.save(model.visual.state_dict(), tmp_path / "tower.pt")
    with pytest.raises(ValueError, match=r"needs the text tower, which model.weights=.*tower.pt lacks: .* is missing"):
        load_text_tower(clip_vit(), str(tmp_path / "tower.pt"))


def test_tokens_beyond_the_vocabulary_are_refused() -> None:
    tower = load_text_tower(clip_vit(), allow_random=True)  # 50 tokens; CLIP's own vocabulary has 49 408
    with pytest.raises(ValueError, match=r"numbers tokens up to 49407, but the text tower knows 50 of them"):
        tower.features(["a video"])


def test_a_tokenizer_out_of_reach_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(error: Exception, *given: Any, **settings: Any) -> None:
        asked.append((*given, settings["local_files_only"]))
        raise error

    asked: list[Any] = []
    monkeypatch.setattr(text_tower, "hub_answers", lambda: False)
    for error, message in (
        (OSError("no such\n repository"), r"could not be had from http\S+ and its cache \(no such repository\); fetch "
         r"tokenizer.json .* by hand from http\S+/timm/ViT-B-16-SigLIP into a folder, then give head.tokenizer=FOLDER"),
        (ImportError("transformers"), r"of ViT-B-16-SigLIP needs another package: pip install transformers"),
    ):  # fmt: skip
        monkeypatch.setattr(open_clip.tokenizer, "HFTokenizer", partial(refuse, error))
        with pytest.raises(ValueError, match=message):
            load_text_tower(siglip(), allow_random=True)
    with pytest.raises(ValueError, match="transformers"):
        load_text_tower(siglip(), allow_random=True, tokenizer=str(tmp_path))
    assert asked == [("timm/ViT-B-16-SigLIP", 8, True)] * 2 + [(str(tmp_path), 8, True)]
    with pytest.raises(ValueError, match=r"head.tokenizer=nowhere is not there; expected a folder with tokenizer.json"):
        load_text_tower(siglip(), allow_random=True, tokenizer="nowhere")
    with pytest.raises(ValueError, match=r"the vocabulary of ViT-B-16-quickgelu comes with open_clip; give null"):
        load_text_tower(clip_vit(), allow_random=True, tokenizer=str(tmp_path))
