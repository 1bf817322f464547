"""Heads trained side by side on one pass over the features: one for each rate and weight decay."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.lr_scheduler import LambdaLR

AT_ONCE = 512  # clips that are scored together


class Recipe(NamedTuple):
    """How one head of several trains."""

    rate: float  # at first; half a cosine takes it to 0
    decay: float  # of AdamW


class Probes:
    """M copies of a head, whose parameters are stacked: a batch goes through all of them in one product.

    Args:
        head: what they all start from; evaluates, so that nothing is dropped.
        recipes: one for each copy.
    """

    def __init__(self, head: nn.Module, recipes: Sequence[Recipe]) -> None:
        self.head, self.recipes = head.eval(), recipes
        self.stacked = {name: torch.stack([p.detach()] * len(recipes)) for name, p in head.named_parameters()}

    def train(
        self,
        features: Tensor,
        labels: Tensor,
        *,
        epochs: int,
        per_step: int,
        seed: int = 0,
        after_step: Callable[[], None] = lambda: None,
    ) -> "Probes":
        """Trains all of them on the same batches: features (N, ...), labels (N,). The order is the seed's."""
        parameters, optimizer = self._optimizer()
        total = num_steps(len(features), per_step, epochs)
        schedule = LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / total)))
        for batch in _batches(len(features), per_step, epochs, seed):
            for parameter in parameters.values():
                assert parameter.grad is not None
                parameter.grad.zero_()
            scores = self._scores(parameters, features[batch])
            every = labels[batch].repeat(len(self.recipes))
            F.cross_entropy(scores.flatten(0, 1), every, reduction="sum").div(len(batch)).backward()
            optimizer.step()
            schedule.step()
            after_step()
        return self

    @torch.no_grad()
    def scores(self, features: Tensor) -> Tensor:
        """(N, ...) -> (M, N, C)."""
        return torch.cat([self._scores(self.stacked, part) for part in features.split(AT_ONCE)], 1)

    def state(self, index: int) -> dict[str, Tensor]:
        """Parameters of one copy, by their names in the head."""
        return {name: value[index].clone() for name, value in self.stacked.items()}

    def _scores(self, parameters: dict[str, Tensor], features: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):  # fused attention knows nothing of copies, and would run them one by one
            return vmap(lambda own: functional_call(self.head, own, (features,)))(parameters)

    def _optimizer(self) -> tuple[dict[str, Tensor], torch.optim.Optimizer]:
        """The stacked parameters as they train, and torch's AdamW with a group for each copy's part of them.

        These parts and their gradients are views, which the stacked ones are computed with.
        """
        parameters = {name: value.requires_grad_() for name, value in _detached(self.stacked).items()}
        for parameter in parameters.values():
            parameter.grad = torch.zeros_like(parameter)
        groups = []
        for index, recipe in enumerate(self.recipes):
            own = [_view(parameter, index) for parameter in parameters.values()]
            groups.append({"params": own, "lr": recipe.rate, "weight_decay": recipe.decay})
        return parameters, torch.optim.AdamW(groups, fused=True)


def num_steps(clips: int, per_step: int, epochs: int) -> int:
    """Optimizer steps of a training."""
    return -(-clips // per_step) * epochs


def _batches(clips: int, per_step: int, epochs: int, seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        yield from torch.randperm(clips, generator=generator).split(per_step)


def _detached(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in tensors.items()}


def _view(parameter: Tensor, index: int) -> nn.Parameter:
    """A copy's part of a stacked parameter, with its part of the gradient; the memory is the same."""
    assert parameter.grad is not None
    own = nn.Parameter(parameter.detach()[index])
    own.grad = parameter.grad[index]
    return own
