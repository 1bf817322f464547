"""Encoders by the facts that one chooses them by: those of timm and open_clip that fit, and those of configs/model."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import open_clip
import timm
import yaml
from rich.table import Table
from torch import nn

from video_adapters.commands.config import CONFIGS, config_names
from video_adapters.commands.terminal import advancing, console
from video_adapters.commands.wording import counted
from video_adapters.model.encoders.encoder import Encoder
from video_adapters.model.encoders.pretrained import FAMILIES, outline
from video_adapters.model.encoders.published import licence_of, tags_of

Build = partial[nn.Module]

MODULES = ("deit", *(one.wraps.__module__.rpartition(".")[2] for one in FAMILIES if "timm" in one.wraps.__module__))
"""Where timm defines networks of the families' classes (DeiT III's is that of a plain ViT)."""
MOST_REFUSED = 20  # that a filter's answer explains
COLUMNS = ("network", "M params", "patch", "pixels", "prefix", "feature", "licence", "weights")


class Facts(NamedTuple):
    """What distinguishes an encoder, at the image size of its weights."""

    params: int
    patch: int  # pixels
    pixels: int
    prefix: int  # tokens ahead of the patches
    feature: str  # of a frame, as the library makes it of the tokens


def facts(encoder: Encoder) -> Facts:
    """The facts of an encoder; an outline will do."""
    modules: list[nn.Module] = [encoder, *encoder.blocks]
    params = sum(p.numel() for module in modules for p in module.parameters())
    feature = "class token" if encoder.reads_class_token else "mean"
    if getattr(encoder.net, "attn_pool", None) is not None:
        feature = "attention"
    return Facts(params, encoder.patches.kernel_size[0], encoder.image_size[0], encoder.prefix, feature)


def networks(words: str) -> Iterator[Build]:
    """Networks with published weights that have the words in NAME.TAG; of timm's, where there are none: of MODULES."""
    usual = {name for module in MODULES for name in timm.list_models(module=module)}
    of_timm = [one.split(".")[0] for one in timm.list_pretrained() if words.lower() in one.lower()]
    of_open_clip = [name for name, tag in open_clip.list_pretrained() if words.lower() in f"{name}.{tag}".lower()]
    for name in dict.fromkeys(of_timm):
        if words or name in usual:
            yield partial(timm.create_model, model_name=name, num_classes=0)
    for name in dict.fromkeys(of_open_clip):
        yield partial(open_clip.create_model, model_name=name)


def print_encoders(words: str) -> None:
    """Prints the networks that fit, with the tags of their weights by licence; of a few, why others do not.

    Nothing is fetched: networks are built on the meta device.

    Raises:
        ValueError: no network has the words in its name.
    """
    builds, refused = list(networks(words)), list[str]()
    if not builds:
        raise ValueError(f"no network of timm or open_clip has '{words}' in its name")
    tables = {function: _table(title) for function, title in TITLES.items()}
    with advancing("networks", len(builds)) as show:
        for done, build in enumerate(builds, start=1):
            try:
                rows = _rows(build)
            except ValueError as error:
                refused.append(f"{build.keywords['model_name']}: {str(error).partition(';')[0]}")
            else:
                for row in rows:
                    tables[build.func].add_row(*row)
            show(done)
    for table in tables.values():
        if table.row_count:
            console().print(table)
    explained = refused if words and len(refused) <= MOST_REFUSED else []
    print(f"{counted(len(builds) - len(refused), 'network')} fit, {len(refused)} do not", *explained, sep="\n  ")


TITLES = {
    timm.create_model: "timm: model=timm model.name=NETWORK.WEIGHTS",
    open_clip.create_model: "open_clip: model=open_clip model.name=NETWORK model.weights=WEIGHTS",
}


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", padding=(0, 1))
    for column in COLUMNS:
        number = column in ("M params", "patch", "pixels", "prefix")
        table.add_column(column, justify="right" if number else "left", no_wrap=column != "weights")
    return table


def _rows(build: Build) -> Iterator[tuple[str, ...]]:
    """A network's rows, one for each licence of its weights."""
    about = facts(outline(build))
    tags: dict[str, list[str]] = {}
    for tag in tags_of(build):
        tags.setdefault(licence_of(build, tag), []).append(tag)
    numbers = (f"{about.params / 1e6:.1f}", str(about.patch), str(about.pixels), str(about.prefix))
    name = str(build.keywords["model_name"])
    return iter([(name, *numbers, about.feature, one or "–", ", ".join(of)) for one, of in tags.items()])


CONFIG_COLUMNS = ("model", "network", "weights", "params", "patch", "pixels", "prefix", "feature", "licence")


def config_rows() -> Iterator[list[str]]:
    """The encoders of configs/model, but for those that take any name and those made for tests: a row each."""
    for name in config_names("model"):
        if name in ("timm", "open_clip") or name.startswith(("toy_", "shapes_")):
            continue
        tree = yaml.safe_load((CONFIGS / "model" / f"{name}.yaml").read_text(encoding="utf-8"))
        build = _at_own_size(tree["encoder"])
        about, tag = facts(outline(build)), str(tree["weights"])
        numbers = [f"{about.params / 1e6:.1f}", str(about.patch), str(about.pixels), str(about.prefix)]
        licence = licence_of(build, tag) or "–"
        yield [f"`{name}`", f"`{build.keywords['model_name']}`", f"`{tag}`", *numbers, about.feature, licence]


def _at_own_size(encoder: dict[str, Any]) -> Build:
    """The network of a config at the image size that it has in its library."""
    settings = {
        key: value for key, value in encoder.items() if key[0] != "_" and not key.endswith(("img_size", "image_size"))
    }
    create = {"timm.create_model": timm.create_model, "open_clip.create_model": open_clip.create_model}
    return partial(create[encoder["_target_"]], **settings)
