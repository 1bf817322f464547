"""Rungs of the ladder, from a frozen encoder to adapters: the words of each one's command."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from video_adapters.commands.config import CONFIGS, config_names
from video_adapters.commands.grammar import hydra_quote, key_of
from video_adapters.trust.config_file import read_config

BEST = Path("checkpoints", "best.ckpt")


class Rung(NamedTuple):
    """One run of the ladder."""

    name: str  # its folder's, too
    described: str
    words: tuple[str, ...]  # of its command, beside the experiment's and the user's
    frozen: bool = True  # nothing below the head trains


FROZEN = "adapter=frozen"
# not on validation: a head that was fitted on its videos would look better on them than adapters can that begin from it
PROBE = (FROZEN, "probe=default", "probe.fit_validation=false")
AVERAGED = ("probe.reads=[mean]", "probe.trained.map=null", "probe.trained.attentive=null")  # their query sees order

NAMES, MEAN, BEST_PROBE, ADAPTERS, LONGER = RUNGS = (
    Rung("names", "class names, zero-shot", (FROZEN, "head=names", "trainer.max_epochs=0")),
    Rung("mean", "mean over frames of frozen features (control: cannot tell order)", (*PROBE, *AVERAGED)),
    Rung("probe", "best probe of frozen features", PROBE),
    Rung("adapters", "adapters, begun from the probe", (), frozen=False),
    Rung("longer", "these adapters, trained on", (), frozen=False),
)

TRIAL = (
    "trainer.max_steps=6", "schedule.warmup_epochs=0", "+trainer.limit_val_batches=0", "test=false", "logger=csv",
)  # fmt: skip
"""Words of a run that shows how fast adapters train here."""

OURS = (
    "head",
    "init_from",
    "resume",
    "model.depth",
    "model.pool",
    "probe.reads",
    "probe.minutes",
    "probe.fit_validation",
    "features.minutes",
    "hydra.run.dir",
    "test",
)
"""Keys that the rungs choose themselves."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all rungs have in common."""

    experiment: str  # the adapters'
    words: tuple[str, ...]  # KEY=VALUE of src/train.py, as the user gave them

    def __post_init__(self) -> None:
        for word in self.words:
            key = key_of(word)
            if any(f"{key}.".startswith(f"{own}.") for own in OURS):
                raise ValueError(f"{word}: each rung of the ladder has its own {key}; leave it out")

    def command(self, rung: Rung, *more: str) -> list[str]:
        """The words of a rung's command, of the user's those that mean something to it."""
        own = [*rung.words, *more]
        keys = {key_of(word) for word in own}
        foreign = {"adapter"} if rung.frozen else {"probe"}  # groups whose keys it has not
        if rung == NAMES:
            foreign.add("probe")
        kept = [word for word in self.words if key_of(word) not in keys and key_of(word).split(".")[0] not in foreign]
        return [f"experiment={self.experiment}", *kept, *own]


def recipe_of(words: Sequence[str]) -> Recipe:
    """The recipe that a command line asks for: without `experiment`, that of the data's name, or else own_videos.

    The rates of own_videos are for encoders of ViT-B's size; the embedded data sets have experiments of their names.
    """
    given = {key_of(word): word.partition("=")[2] for word in words}
    data = given.get("data", "moving_shapes_crowded")  # as train.yaml has it
    default = data if data in config_names("experiment") else "own_videos"
    others = tuple(word for word in words if key_of(word) != "experiment")
    return Recipe(experiment=given.get("experiment", default), words=others)


def from_probe(folder: Path, checkpoint: Path) -> list[str]:
    """Words by which adapters begin at a checkpoint with the head of a probe's run, its block and its pooling."""
    config = read_config(folder)
    model = config["model"]
    cut = [f"model.{key}={model[key]}" for key in ("depth", "pool") if model.get(key) is not None]
    return [f"init_from={checkpoint}", *_head(config["head"]), *cut]


def _head(config: Mapping[str, Any]) -> list[str]:
    """Words for a head's config: the choice that names its class, and what differs from that."""
    for name in config_names("head"):
        choice: Any = OmegaConf.load(CONFIGS / "head" / f"{name}.yaml")
        if choice.get("_target_") == config["_target_"]:
            others = (f"head.{key}={hydra_quote(value)}" for key, value in config.items() if choice.get(key) != value)
            return [f"head={name}", *others]
    raise ValueError(f"no config of configs/head makes a {config['_target_']}, the head of the probe: add one")
