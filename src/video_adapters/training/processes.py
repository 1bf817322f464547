"""What the processes of a run tell each other."""

from typing import Any

import torch.distributed as dist


def gather(mine: Any) -> list[Any]:
    """Every process's object, on every process."""
    if not (dist.is_available() and dist.is_initialized()):
        return [mine]
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    return everyone
