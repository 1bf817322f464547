"""The project, and what Hydra composes of its configs; unknown names are told with the nearest that it knows."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from video_adapters.commands import run_folders  # noqa: F401  (resolvers of the configs)
from video_adapters.commands.errors import UserError
from video_adapters.commands.grammar import for_hydra
from video_adapters.commands.wording import did_you_mean

PROJECT = Path(__file__).parents[3]
CONFIGS = PROJECT / "configs"

UNKNOWN = re.compile(r"Could not (?:override|delete from config)\W+([\w./@-]+)'")
CHOICE = re.compile(r"[\w/]+=[\w/]+")
NO_VIEWS = "Could not override 'views@data.test_views'"

# ${tag_in:NAME.TAG}: of timm's names of networks; None where there is no tag
OmegaConf.register_new_resolver("tag_in", lambda name: name.partition(".")[2] or None, replace=True)


def compose_config(config: str, words: Sequence[str], with_hydra: bool = False) -> DictConfig:
    """`configs/CONFIG.yaml` with the words of a command line, for what Hydra does not start; a UserError for others."""
    words = for_hydra(words)
    if message := null_choice(words):
        raise UserError(message)
    try:
        return _composed(config, words, with_hydra)
    except HydraException as error:
        raise UserError(explain(error, config, words)) from error


def _composed(config: str, words: Sequence[str], with_hydra: bool = False) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(config, list(words), return_hydra_config=with_hydra)


def config_names(group: str) -> list[str]:
    """The choices of a config group; data/base is none, but what the others begin with."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml") if path.stem != "base")


def is_sweep() -> bool:
    """Whether this process works on a job of a sweep (`--multirun`)."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def choices() -> dict[str, str]:
    """The config groups' choices, such as adapter: none, where Hydra composed them."""
    choices = dict(HydraConfig.get().runtime.choices) if HydraConfig.initialized() else {}
    return {group: name for group, name in choices.items() if name and "hydra" not in group}


def null_choice(words: Sequence[str]) -> str | None:
    """What to say of a group for which null is chosen, which Hydra fails at; None where there is none such."""
    for word in words:
        group, _, choice = word.lstrip("+").partition("=")
        names = config_names(group)
        if choice == "null" and names:
            instead = f"{group}=none" if "none" in names else f"one of {', '.join(names)}, or leave it out"
            return f"{word} is no choice: take {instead}"
    return None


def explain(error: Exception, config: str, words: Sequence[str]) -> str:
    """The message for an error that Hydra raised composing `configs/CONFIG.yaml` for the words of a command line."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        choice = PurePosixPath(error.missing_cfg_file)
        names = sorted(error.options)
        near = did_you_mean(choice.name, names)
        return f"there is no {choice.parent}={choice.name}{near}. There are: {', '.join(names)}"
    if isinstance(error, OverrideParseException):
        reasons = (line for line in str(error).splitlines() if not line.startswith("Error parsing"))
        reason = next(reasons, "") if "=" in error.override else "there is no ="
        return (
            f"'{error.override}' cannot be read: {reason}; expected KEY=VALUE, as `python src/{config}.py --help` shows"
        )
    if unknown := UNKNOWN.match(str(error)):
        key = unknown.group(1)
        return (
            f"there is no key or group '{key}'{meant(key, _keys(config, words))}. `python src/{config}.py --help` "
            f"lists them all; one that Lightning or a constructor takes beside them is added by +{key}=VALUE"
        )
    if NO_VIEWS in str(error):
        return (
            "the experiment chooses the test's views from configs/views, and the data config has no place for them: "
            "begin it with defaults: [base], as those of configs/data begin"
        )
    cause = error.__cause__
    return f"{error}\n{cause}" if isinstance(cause, OmegaConfBaseException) else str(error)


def meant(key: str, keys: Sequence[str]) -> str:
    """Keys that one may have been meant for: of the same name in other groups, of one that ends in it, or nearly it."""
    name = key.rpartition(".")[2]
    same = [other for other in keys if other.rpartition(".")[2] == name and other != key]
    same = same or [other for other in keys if other.endswith(f"_{name}")]
    return f" (did you mean {' or '.join(same[:3])}?)" if same else did_you_mean(key, keys)


def flat(tree: Any, prefix: str = "") -> Iterator[str]:
    """All keys of nested dictionaries, with those above them: "optim", "optim.lr"."""
    for name, value in tree.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All values of nested dictionaries that are none themselves, by key: ("optim.lr", 1e-3)."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _keys(config: str, words: Sequence[str]) -> list[str]:
    """What the command line could have named, under the choices that it makes."""
    choices = [word.split(",")[0] for word in words if CHOICE.match(word)]
    for overrides in (choices, []):
        GlobalHydra.instance().clear()
        try:
            tree = OmegaConf.to_container(_composed(config, overrides), resolve=False)
        except HydraException:
            continue
        groups = [path.name for path in CONFIGS.iterdir() if path.is_dir() and path.name != "hydra"]
        return sorted({*flat(tree), *groups})
    return []
