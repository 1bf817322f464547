"""From a composed config to the network that it describes."""

import inspect
import logging
from collections.abc import Sequence
from typing import Any

import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from video_adapters.model.adapters.aim import Aim
from video_adapters.model.backbone import Backbone
from video_adapters.model.checkpoint import holds_everything
from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.cost import Cost, count
from video_adapters.model.execution import Memory
from video_adapters.model.hardware import device_of
from video_adapters.model.heads.class_names import SLOT, NamesHead
from video_adapters.model.heads.head import Head

log = logging.getLogger(__name__)

LOAD_TEXT_TOWER = "video_adapters.model.encoders.text_tower.load_text_tower"


def build_classifier(cfg: DictConfig) -> VideoClassifier:
    """The network: encoder, adapters around its blocks, head."""
    encoder = instantiate(cfg.model, _convert_="all")
    method = instantiate(cfg.adapter, _convert_="all")
    reads = cfg.head.get("reads") or get_object(cfg.head._target_).reads
    backbone = Backbone(encoder, method, cfg.data.num_frames, cfg.data.tubelet, Memory(**cfg.memory), reads)
    head = build_head(cfg.head, width=backbone.width, num_classes=cfg.data.num_classes, num_times=backbone.num_times)
    return VideoClassifier(backbone, head, cfg.data.get("labels", "one"))


def build_head(head: DictConfig, **sizes: Any) -> Head:
    """The head of a config; of what is known of features and classes it is given what its class takes."""
    taken = inspect.signature(get_object(head._target_)).parameters
    built: Head = instantiate(head, **{name: size for name, size in sizes.items() if name in taken}, _convert_="all")
    return built


def build_frozen(cfg: DictConfig) -> Backbone:
    """The encoder alone, frame by frame, whatever the config's adapter and head are. Random weights, where they are
    allowed, are those of a run of its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seed)
        encoder = instantiate(cfg.model, _convert_="all")
    method = Aim(temporal=None, spatial=None, joint=None, final_norm=False)
    return Backbone(encoder, method, cfg.data.num_frames, cfg.data.tubelet, Memory(**cfg.memory))


def begin_head(cfg: DictConfig, head: Head, class_names: Sequence[str]) -> None:
    """Makes a head of class names what their texts say; others start at random. A head that was saved needs it not.

    Raises:
        ValueError: for an encoder without a text tower, or whose frames are not pooled into its space, and for classes
            without words.
    """
    if not isinstance(head, NamesHead):
        return
    if cfg.model.pool != "projected":
        raise ValueError(f"head=names compares images with texts: give model.pool=projected, not {cfg.model.pool}")
    words = head.in_words(class_names)
    model = cfg.model.copy()
    with open_dict(model):
        model["_target_"] = LOAD_TEXT_TOWER
    tower = instantiate(model, tokenizer=head.tokenizer, _convert_="all")
    log.info("classes in words (head.names=... changes them): %s", ", ".join(words.values()))
    texts = [prompt.replace(SLOT, text) for text in words.values() for prompt in head.prompts]
    features = tower.features(texts, device_of(cfg.trainer.accelerator))
    head.begin(features.unflatten(0, (len(words), -1)), tower.log_scale, tower.bias)


def without_weights(cfg: DictConfig) -> DictConfig:
    """The config of the same model, its encoder not pretrained."""
    bare = cfg.copy()
    OmegaConf.update(bare, "model.weights", None)
    OmegaConf.update(bare, "model.allow_random", True)
    return bare


def build_outline(cfg: DictConfig) -> VideoClassifier:
    """The network on the meta device: names and shapes, without a value; weights are neither loaded nor needed."""
    with torch.device("meta"):
        return build_classifier(without_weights(cfg))


def build_for(checkpoint: dict[str, Any], cfg: DictConfig) -> VideoClassifier:
    """The network to be filled from a checkpoint; pretrained weights are not looked for where it holds them all."""
    complete = holds_everything(build_outline(cfg), checkpoint)
    return build_classifier(without_weights(cfg) if complete else cfg)


def cost(cfg: DictConfig) -> Cost:
    """Counts the model of a composed config; weights are neither loaded nor needed."""
    return count(build_outline(cfg))
