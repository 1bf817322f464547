"""Checkpoints of the official AIM release, taken apart into what is trained here and what is frozen."""

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from video_adapters.model.encoders.encoder import Encoder
from video_adapters.official.names import Entry, entries
from video_adapters.official.sizes import Sizes, State, find_sizes

WRAPPINGS = ("state_dict", "model")
LISTED = 20  # names that an error lists of each kind


@dataclass(frozen=True, kw_only=True)
class Official:
    """An official checkpoint by our names."""

    sizes: Sizes
    trained: State  # by the names of our checkpoints: `backbone.` and `head.`
    frozen: State  # the published encoder, whole, by its library's names; a final norm that trains is in both
    shared: frozenset[str]  # names in `frozen` whose values are trained ones
    buffers: int  # tensors that follow from the sizes and are computed anew

    @property
    def in_channels(self) -> int:
        """Of the patches: 3 or, where they differ between the frames of a tubelet, 3 * tubelet."""
        return self.frozen[f"{self.sizes.family.patches}.weight"].shape[1]


def split_checkpoint(content: Any, num_heads: int | None = None, image_size: int | None = None) -> Official:
    """Recognises a checkpoint's content and translates its names.

    The content is a state dict, bare or under `state_dict` or `model`, its names with or without `module.` and
    `backbone.`; for what its tensors do not tell see `find_sizes`.

    Raises:
        ValueError: for what is no such checkpoint; for names that fit nothing, are missing or of a wrong shape, listed.
    """
    state = plain_state(content)
    sizes = find_sizes(state, num_heads, image_size)
    expected = entries(sizes)
    _check(state, expected, sizes)
    patches = f"{sizes.family.patches}.weight"
    values = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    values[patches] = as_images(values[patches])
    trained = {e.trained: values[e.name] for e in expected if e.trained}
    frozen = {e.frozen: values[e.name] for e in expected if e.frozen}
    shared = frozenset(e.frozen for e in expected if e.frozen and e.trained)
    buffers = sum(not e.trained and not e.frozen and e.name in state for e in expected)
    return Official(sizes=sizes, trained=trained, frozen=frozen, shared=shared, buffers=buffers)


def plain_state(content: Any) -> State:
    """The tensors of a checkpoint by names without `module.` and `backbone.`; a ValueError for none or two of one."""
    for key in WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f"the checkpoint holds a {type(content).__name__}, expected a state dict: tensors by name, bare or under "
            f"{' or '.join(WRAPPINGS)}"
        )
    if others := [str(name) for name, value in content.items() if not isinstance(value, Tensor)]:
        raise ValueError(f"expected tensors by name, but no tensors are: {_some(others)}")
    state = {re.sub(r"^(module\.)*(backbone\.)?", "", str(name)): value for name, value in content.items()}
    if len(state) != len(content):
        raise ValueError("two tensors of the checkpoint have one name, but for `module.` and `backbone.`")
    return state


def _check(state: State, expected: list[Entry], sizes: Sizes) -> None:
    shapes = {entry.name: entry.shape for entry in expected}
    needed = {entry.name for entry in expected if entry.trained or entry.frozen}
    faults = []
    if unknown := sorted(state.keys() - shapes.keys()):
        faults.append(f"it has, and these fit nothing: {_some(unknown)}")
    if missing := sorted(needed - state.keys()):
        faults.append(f"it lacks {_some(missing)}")
    if wrong := [
        f"{name} is {tuple(state[name].shape)}, expected {shape}"
        for name, shape in shapes.items()
        if name in state and tuple(state[name].shape) != shape
    ]:
        faults.append(f"of another shape: {_some(wrong)}")
    if faults:
        raise ValueError(
            f"the checkpoint is not what the official release writes for a {sizes.family.title} of width {sizes.width} "
            f"with {sum(sizes.depths)} blocks: {'; '.join(faults)}"
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def as_images(patches: Tensor) -> Tensor:
    """Patch weights as those of a 2D convolution: (D, 3, t, p, p) -> (D, 3, p, p) or (D, 3t, p, p); others as they are.

    Where inflating them again (`Encoder.take_tubelets`) gives the same weights, they become the published image
    encoder's; else the frames of a tubelet stay apart, as channels.
    """
    if patches.dim() == 4:
        return patches
    tubelet = patches.shape[2]
    image = patches[:, :, 0] * tubelet
    if torch.equal((image / tubelet)[:, :, None].expand_as(patches), patches):
        return image
    return patches.transpose(1, 2).flatten(1, 2)


def library_weights(encoder: Encoder, sizes: Sizes) -> State:
    """Everything an encoder holds, by the names of its library."""
    state = {name.removeprefix("net."): value for name, value in encoder.state_dict().items()}
    for block, parts in zip(sizes.blocks, encoder.blocks, strict=True):
        state |= {f"{block.name}.{name}": value for name, value in parts.block.state_dict().items()}
    return state
