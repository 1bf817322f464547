"""The card that a plan is for: a named one, one of so much memory, or this machine's."""

from functools import cache
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from video_adapters.commands.config import CONFIGS
from video_adapters.memory.gpu import Gpu

FOLDER = CONFIGS / "gpu"
OLDEST = "gtx1080ti"


def is_named(cfg: DictConfig) -> bool:
    """Whether a config says which card it is for."""
    return cfg.gpu.memory is not None


def gpu_of(cfg: DictConfig) -> Gpu:
    """The card of a config; what it leaves open is this machine's where there is one and no memory is given.

    Raises:
        ValueError: when neither config nor machine has a card.
    """
    given = {key: value for key, value in cfg.gpu.items() if value is not None}
    if is_named(cfg):
        return _filled(given, _named(OLDEST))
    if not torch.cuda.is_available():
        names = ", ".join(sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "this"))
        raise ValueError(f"this machine has no GPU to plan for: give gpu=NAME ({names}), or gpu.memory=11 (GiB)")
    return _filled(given, this_gpu())


def num_devices(cfg: DictConfig) -> int:
    """Devices that share a step, over all machines.

    Raises:
        ValueError: when the config leaves it to a machine that has no GPU.
    """
    given = cfg.trainer.devices
    if OmegaConf.is_list(given):
        return len(given) * cfg.trainer.num_nodes
    if str(given).isdigit():
        return int(given) * cfg.trainer.num_nodes
    if not torch.cuda.is_available():
        raise ValueError(f"trainer.devices is {given}: say how many devices share a step, such as trainer.devices=4")
    return torch.cuda.device_count() * cfg.trainer.num_nodes


def this_gpu() -> Gpu:
    """The smallest of this machine's cards; rates are those of the most similar card that is known."""
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    least = min(gpus, key=lambda properties: properties.total_memory)
    memory, capability = least.total_memory / 2**30, least.major + least.minor / 10
    like = min(listed_gpus(), key=lambda gpu: (abs(gpu.capability - capability), abs(gpu.memory - memory)))
    return Gpu(
        name=least.name, memory=memory, capability=capability, fp32=like.fp32, fp16=like.fp16, bandwidth=like.bandwidth
    )


@cache
def listed_gpus() -> tuple[Gpu, ...]:
    """The cards of configs/gpu."""
    return tuple(_named(path.stem) for path in sorted(FOLDER.glob("*.yaml")) if path.stem != "this")


def _named(name: str) -> Gpu:
    facts: Any = OmegaConf.load(FOLDER / f"{name}.yaml")
    del facts["defaults"]
    return Gpu(**facts)


def _filled(given: dict[str, Any], gpu: Gpu) -> Gpu:
    return instantiate({**vars(gpu), "name": f"a card of {given.get('memory', gpu.memory):g} GiB", **given})
