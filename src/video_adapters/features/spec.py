"""Specification of stored features: all that decides their values, and the name of the folder that follows from it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from video_adapters.data.datamodule import VideoData
from video_adapters.data.views import Views
from video_adapters.model.backbone import Backbone
from video_adapters.model.hardware import fitting_precision

VERSION = 1  # of the values: another one where the same settings give others


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """What the values of a store depend on beside the blocks, each of which has files of its own, and the videos, of
    which each clip has a row of its own."""

    weights: str  # fingerprint of the encoder
    encoder: dict[str, Any]  # its config: what the weights do not say, such as the activation
    num_frames: int  # of a clip
    tubelet: int  # frames that share a token
    image_size: int  # pixels
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sampling: dict[str, Any]  # config
    clips: dict[str, Any]  # clips, crops and short side of the views; or the training transform and its seed
    strict: bool  # which videos count as broken
    precision: str  # of the forward pass, as Lightning names it, and of the residual stream
    kinds: tuple[str, ...]  # see `kinds.kinds_of`
    version: int = VERSION

    def canonical(self) -> str:
        """The same text for the same settings, on any machine."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def key(self) -> str:
        """The name of the store's folder: 80 bits of a digest."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()[:20]


def spec_of(
    backbone: Backbone, cfg: DictConfig, data: VideoData, clips: dict[str, Any], kinds: tuple[str, ...]
) -> FeatureSpec:
    """The specification of what a backbone without adapters says of a data set's clips under a composed config.

    Args:
        backbone: the frozen encoder.
        cfg: composed from `configs/train.yaml`.
        data: built from it.
        clips: which are computed, see `views_of` and `draws_of`.
        kinds: that are kept of a frame.
    """
    encoder, residual = backbone.encoder, cfg.memory.residual_dtype
    return FeatureSpec(
        weights=encoder.fingerprint,
        encoder=_plain(cfg.model.encoder),
        num_frames=data.num_frames,
        tubelet=backbone.tubelet,
        image_size=data.image_size,
        mean=encoder.mean,
        std=encoder.std,
        sampling=_plain(cfg.data.sampling),
        clips=clips,
        strict=data.strict,
        precision=precision_of(cfg) + (f", residual {residual}" if residual else ""),
        kinds=kinds,
    )


def precision_of(cfg: DictConfig) -> str:
    """Lightning's name of the precision in which a run of this config computes here."""
    return fitting_precision(str(cfg.trainer.precision), cfg.trainer.accelerator, silent=True)


def views_of(views: Views, image_size: int) -> dict[str, Any]:
    """Fixed views, as a specification has them."""
    return {"clips": views.clips, "crops": views.crops, "short_side": views.short_side(image_size)}


def draws_of(cfg: DictConfig) -> dict[str, Any]:
    """Random draws of the training transform, as a specification has them: which draw it is says the row."""
    return {"transform": _plain(cfg.data.train_transform), "seed": cfg.seed}


def _plain(node: DictConfig) -> dict[str, Any]:
    tree: Any = OmegaConf.to_container(node, resolve=True)
    return {name: value for name, value in tree.items() if name != "_partial_"}
