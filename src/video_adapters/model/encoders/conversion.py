"""Published weights by the names and in the sizes of timm's network, as its own constructors convert them."""

import sys
from typing import Any

from timm.models import vision_transformer
from torch import Tensor


def converted(state: dict[str, Tensor], net: Any) -> dict[str, Tensor]:
    """Weights of a file under the names that the network has (older ones differ), positions resampled to its grid.

    What the network leaves out of the published one is left out: its classifier and, of SigLIP's `gap` variants, the
    attention pooling.
    """
    convert = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    weights = state if convert is None else convert(state, net, **_settings(net))
    classifiers = net.pretrained_cfg.get("classifier") or ()
    left_out = [f"{name}." for name in ([classifiers] if isinstance(classifiers, str) else classifiers)]
    if getattr(net, "attn_pool", None) is None:
        left_out.append("attn_pool.")
    return {name: value for name, value in weights.items() if not name.startswith(tuple(left_out))}


def _settings(net: Any) -> dict[str, Any]:
    """How the constructor of a VisionTransformer has its weights converted otherwise than by default."""
    if type(net) is not vision_transformer.VisionTransformer:
        return {}
    name = str(net.pretrained_cfg.get("architecture"))
    if name.startswith("deit3"):
        return {"adapt_layer_scale": True}
    if "flexi" in name:
        return {"interpolation": "bilinear", "antialias": False}
    if "radio" in name:
        corners = any(one in name for one in vision_transformer._RADIO_ALIGN_CORNERS)
        return {"interpolation": "bilinear", "antialias": False, "align_corners": corners}
    return {}
