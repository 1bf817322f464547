"""The frozen weights of an official checkpoint: compared with published ones, or written to a file of their own."""

from pathlib import Path
from typing import NamedTuple

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from safetensors.torch import save

from video_adapters.commands.atomic import replacing
from video_adapters.commands.grammar import hydra_quote
from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.encoders.pretrained import load_encoder
from video_adapters.official.recipe import compose_train, published_model
from video_adapters.official.request import Request
from video_adapters.official.split_checkpoint import Official, library_weights


class Verdict(NamedTuple):
    """Whose the frozen weights are."""

    published: bool
    text: str


def place_weights(request: Request, official: Official, overrides: list[str]) -> tuple[str, list[str]]:
    """Names the published encoder where the frozen weights are its; writes them to a file where they are not.

    Returns: what is to be said of it, and overrides by which a config finds the weights.

    Raises:
        ValueError: for a file in the way, or a file of published weights that is missing or of another network.
    """
    verdict = _judge(request, official, overrides)
    if verdict.published:
        return verdict.text, _from_file(request.published) if request.published else []
    file = request.encoder_file
    if file.suffix != ".safetensors":
        raise ValueError(f"--encoder-out is {file}, expected a name that ends in .safetensors")
    request.refuse_overwriting(file)
    with replacing(file) as part:
        part.write_bytes(save({name: value.contiguous() for name, value in official.frozen.items()}))
    return f"{verdict.text}; written to {file}", _from_file(file)


def compare(official: Official, cfg: DictConfig) -> Verdict:
    """Sets the frozen weights against those of the encoder that a config describes; a norm that trained is left out."""
    encoder = load_encoder(instantiate(cfg.model.encoder, _convert_="all"), cfg.model.weights)
    published = library_weights(encoder, official.sizes)
    names = sorted(official.frozen.keys() - official.shared)
    distances = {name: (official.frozen[name] - published[name]).abs().max().item() for name in names}
    different = [name for name in names if distances[name] > 0]
    source = f"{cfg.model.encoder.model_name}, {cfg.model.weights}"
    if not different:
        return Verdict(True, f"exactly those of {source}")
    more = f" and {len(different) - 4} more" if len(different) > 4 else ""
    return Verdict(
        False,
        f"{len(different)} of {len(names)} tensors differ from {source}: {', '.join(different[:4])}{more}; "
        f"largest difference {max(distances.values()):.3g}",
    )


def check_kept(encoder: Encoder, official: Official) -> None:
    """Refuses a model that does not hold the frozen weights as they are, with a ValueError: libraries resample them."""
    patches = f"{official.sizes.family.patches}.weight"  # inflated to tubelets by now
    here = library_weights(encoder, official.sizes)
    for name in sorted(official.frozen.keys() - official.shared - {patches}):
        if not torch.equal(here[name], official.frozen[name]):
            raise ValueError(
                f"{name} is {tuple(official.frozen[name].shape)} in the checkpoint, but was resampled to "
                f"{tuple(here[name].shape)} in the model of the config: do not override data.image_size here"
            )


def _judge(request: Request, official: Official, overrides: list[str]) -> Verdict:
    if official.in_channels != 3:
        return Verdict(False, "no image encoder's: the patch weights differ between the frames of a tubelet")
    if request.published:
        return compare(official, compose_train([*overrides, *_from_file(request.published)]))
    if not published_model(official.sizes):
        return Verdict(False, "of a size that no published encoder here has (--published FILE compares with a file)")
    try:
        return compare(official, compose_train(overrides))
    except ValueError as error:
        return Verdict(
            False, f"not compared with the published encoder's (or say --published FILE): {str(error).rstrip('.')}"
        )


def _from_file(path: Path) -> list[str]:
    return [f"model.weights={hydra_quote(str(path.absolute()))}"]
