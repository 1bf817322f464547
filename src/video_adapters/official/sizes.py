"""Model and sizes of a checkpoint of the official AIM release, by its names and shapes."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

State = dict[str, Tensor]

TIME_BIAS = "attn.temporal_position_bias_table"
SPACE_BIAS = "attn.relative_position_bias_table"


@dataclass(frozen=True, kw_only=True)
class Family:
    """How the release names one kind of network; the same names as in the library that publishes it."""

    title: str
    block: str  # the name of a block
    patches: str  # the convolution that makes tokens, with (D, 3, p, p) or (D, 3, tubelet, p, p) weights
    positions: str | None  # position embedding (..., 1 + grid * grid, D)
    hidden: str  # of a block: the first layer of its MLP
    spatial: str  # of a block: the adapter on the attention within frames
    joint: str  # of a block: the adapter beside its MLP
    final_norm: str  # in the library; the release says `ln_post` for both ViTs
    norm_trains: bool

    @property
    def sites(self) -> dict[str, str]:
        """The release's names of a block's adapters, by ours."""
        return {"temporal": "T_Adapter", "temporal_in": "T_Adapter_in", "spatial": self.spatial, "joint": self.joint}


CLIP = Family(
    title="ViT-CLIP",
    block="transformer.resblocks.{block}",
    patches="conv1",
    positions="positional_embedding",
    hidden="mlp.c_fc",
    spatial="S_Adapter",
    joint="MLP_Adapter",
    final_norm="ln_post",
    norm_trains=True,
)
VIT = Family(
    title="ViT-ImageNet",
    block="blocks.{block}",
    patches="patch_embed.proj",
    positions="pos_embed",
    hidden="mlp.fc1",
    spatial="S_Adapter",
    joint="MLP_Adapter",
    final_norm="norm",
    norm_trains=True,
)
SWIN = Family(
    title="Swin",
    block="layers.{stage}.blocks.{block}",
    patches="patch_embed.proj",
    positions=None,
    hidden="mlp.fc1",
    spatial="S_Adapter2",  # the release's numbers say so: the other way round, features are off by 3
    joint="S_Adapter",
    final_norm="norm",
    norm_trains=False,
)


class Block(NamedTuple):
    """A block of a network, stages counted through."""

    name: str
    width: int
    num_heads: int
    stage: int
    number: int  # in its stage


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Everything that names and shapes tell of an official checkpoint."""

    family: Family
    width: int  # of tokens in the first stage; it doubles with each further one
    depths: tuple[int, ...]  # blocks of each stage
    num_heads: tuple[int, ...]  # of each stage
    patch: int  # pixels
    image_size: int  # pixels
    image_size_told: bool  # by a tensor; else it was said or is the usual one
    mlp_ratio: float
    window: int | None  # of a Swin, in tokens
    tubelet: int  # frames that share a token
    num_times: int  # frames / tubelet
    num_classes: int | None  # None: no head
    sites: dict[str, tuple[int, ...]]  # blocks with an adapter, by our name of its place
    ratio: float  # bottleneck / width
    temporal_embedding: bool
    time_bias: bool

    @property
    def blocks(self) -> list[Block]:
        """The blocks in order."""
        return [
            Block(self.family.block.format(stage=s, block=b), self.width * 2**s, self.num_heads[s], s, b)
            for s, depth in enumerate(self.depths)
            for b in range(depth)
        ]

    @property
    def num_frames(self) -> int:
        """Frames of a clip."""
        return self.num_times * self.tubelet

    @property
    def usual_scale(self) -> float:
        """The joint adapter's scale, which no tensor tells, as the release's configs have it."""
        return 1.0 if self.sites["temporal_in"] and self.family is not SWIN else 0.5


def find_sizes(state: State, num_heads: int | None = None, image_size: int | None = None) -> Sizes:
    """Reads the sizes off a state dict without prefixes.

    Args:
        state: tensors by official names, the backbone's without `backbone.`.
        num_heads: of a ViT's attention, which no tensor tells; None for width / 64.
        image_size: in pixels, for a Swin that holds no attention masks; None for 224 there.

    Raises:
        ValueError: for the checkpoint of another network, a tensor missing that tells a size, and for arguments that
            contradict the tensors.
    """
    family = _family(state)
    width, _, *tubelet, _, patch = _shape(state, f"{family.patches}.weight", (5 if family is SWIN else 4,))
    depths = _depths(state, family)
    names = [family.block.format(stage=s, block=0) for s in range(len(depths))]
    bias_rows = _shape(state, f"{names[0]}.{SPACE_BIAS}", (2,))[0] if family is SWIN else 0  # (2w-1)^2 for w x w tokens
    window = (math.isqrt(bias_rows) + 1) // 2 if bias_rows else None
    hidden = [_shape(state, f"{name}.{family.hidden}.weight", (2,))[0] for name in names]
    told = _masked_size(state, patch, window, depths) if window else _grid(state, family) * patch
    if told and image_size not in (None, told):
        raise ValueError(f"--image-size {image_size} was given, but the checkpoint was built for {told} pixels")
    sizes = Sizes(
        family=family,
        width=width,
        depths=depths,
        num_heads=_num_heads(state, width, names, num_heads),
        patch=patch,
        image_size=told or image_size or 224,
        image_size_told=bool(told),
        mlp_ratio=_share("MLPs", {(width * 2**s, units) for s, units in enumerate(hidden)}),
        window=window,
        tubelet=tubelet[0] if tubelet else 1,
        num_times=_num_times(state),
        num_classes=state["cls_head.fc_cls.weight"].shape[0] if "cls_head.fc_cls.weight" in state else None,
        sites=_sites(state, family, depths),
        ratio=_share("adapters", _bottlenecks(state)),
        temporal_embedding="temporal_embedding" in state,
        time_bias=any(name.endswith(TIME_BIAS) for name in state),
    )
    _check(sizes)
    return sizes


def _check(sizes: Sizes) -> None:
    """Refuses what has its tensors, but is no model here."""
    grid = sizes.image_size // (sizes.patch * 2 ** (len(sizes.depths) - 1))
    if sizes.window and grid < sizes.window:
        raise ValueError(
            f"frames of {sizes.image_size} pixels leave {grid}x{grid} tokens in the Swin's last stage, but its windows "
            f"are {sizes.window}x{sizes.window}" + ("" if sizes.image_size_told else ": say --image-size N")
        )
    if sizes.temporal_embedding and 0 not in sizes.sites["temporal"]:
        raise ValueError(
            "the checkpoint has a temporal_embedding, but no temporal adapter (T_Adapter) in its first block, ahead of "
            "which the embedding is added; the official release always has both"
        )


def _family(state: State) -> Family:
    families = [f for f in (CLIP, VIT, SWIN) if any(_pattern(f).match(name) for name in state)]
    if len(families) != 1:
        raise ValueError(
            "the checkpoint is none of the official AIM release: expected the blocks of "
            + ", ".join(f"a {f.title} ({f.block.format(stage=0, block=0)})" for f in (CLIP, VIT, SWIN))
            + f"; its names are {', '.join(list(state)[:6])}, ..."
        )
    return families[0]


def _pattern(family: Family) -> re.Pattern[str]:
    number = r"(?P<{}>\d+)"
    name = family.block.format(stage=number.format("stage"), block=number.format("block"))
    return re.compile(name.replace(".", r"\.") + r"\.")


def _shape(state: State, name: str, dims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a tensor that tells a size."""
    if name not in state:
        raise ValueError(f"the checkpoint lacks {name}, whose shape tells sizes of the model")
    shape = tuple(state[name].shape)
    if len(shape) not in dims:
        raise ValueError(f"{name} is {shape} in the checkpoint, expected {dims[0]} dimensions")
    return shape


def _depths(state: State, family: Family) -> tuple[int, ...]:
    """Blocks of each stage; a gap in the numbers shows later, as names that are missing."""
    last: dict[int, int] = {}
    for match in filter(None, map(_pattern(family).match, state)):
        stage = int(match.groupdict().get("stage", 0))
        last[stage] = max(last.get(stage, 0), int(match["block"]))
    return tuple(last.get(stage, 0) + 1 for stage in range(max(last) + 1))


def _num_heads(state: State, width: int, blocks: list[str], given: int | None) -> tuple[int, ...]:
    if f"{blocks[0]}.{SPACE_BIAS}" in state:
        heads = tuple(_shape(state, f"{name}.{SPACE_BIAS}", (2,))[1] for name in blocks)
        if given not in (None, heads[0]):
            raise ValueError(f"--heads {given} was given, but the Swin's bias tables have {list(heads)} in its stages")
        return heads
    if given is not None and (given < 1 or width % given):
        raise ValueError(f"--heads {given} was given, but the width of {width} does not divide by it")
    if given is None and width % 64:
        raise ValueError(f"the width of {width} is no multiple of 64, the usual width of a head: say --heads N")
    return (given or width // 64,)


def _grid(state: State, family: Family) -> int:
    """Patches along a side, from the position embedding."""
    patches = _shape(state, str(family.positions), (2, 3))[-2] - 1
    if math.isqrt(patches) ** 2 != patches:
        raise ValueError(f"{family.positions} is for {patches} patches and a class token, expected a square of patches")
    return math.isqrt(patches)


def _masked_size(state: State, patch: int, window: int, depths: tuple[int, ...]) -> int | None:
    """Pixels along a side, from the windows of the first stage that masks some; None where none does."""
    for stage, depth in enumerate(depths):
        for block in range(depth):
            if (mask := state.get(f"layers.{stage}.blocks.{block}.attn_mask")) is not None:
                return math.isqrt(mask.shape[0]) * window * patch * 2**stage
    return None


def _num_times(state: State) -> int:
    if "temporal_embedding" in state:
        return _shape(state, "temporal_embedding", (3,))[1]
    for name in state:
        if name.endswith(TIME_BIAS):
            return (_shape(state, name, (2,))[0] + 1) // 2
    raise ValueError(f"the checkpoint has neither temporal_embedding nor {TIME_BIAS}, which tell the number of frames")


def _sites(state: State, family: Family, depths: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    blocks = [family.block.format(stage=s, block=b) for s, depth in enumerate(depths) for b in range(depth)]
    modules = {name.rsplit(".", 2)[0] for name in state}
    return {
        ours: tuple(i for i, block in enumerate(blocks) if f"{block}.{official}" in modules)
        for ours, official in family.sites.items()
    }


def _bottlenecks(state: State) -> set[tuple[int, int]]:
    """(width, units) of every adapter."""
    shapes = [_shape(state, name, (2,)) for name in state if name.endswith(".D_fc1.weight")]
    if not shapes:
        raise ValueError("the checkpoint holds no adapter (no name ends in D_fc1.weight): it is none of AIM's")
    return {(width, units) for units, width in shapes}


def _share(of: str, pairs: Iterable[tuple[int, int]]) -> float:
    """The number r with int(width * r) == units for every (width, units)."""
    pairs = sorted(pairs)
    low = max(units / width for width, units in pairs)
    high = min((units + 1) / width for width, units in pairs)
    for share in (low, (low + high) / 2):  # the first may miss by the last bit
        if all(int(width * share) == units for width, units in pairs):
            return share
    listed = ", ".join(f"{units} of {width}" for width, units in pairs)
    raise ValueError(f"the {of} have {listed} units: no single ratio makes these, but the official release has one")
