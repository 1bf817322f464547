"""Model cards, README.md of a shared model: what it is, how it is used, its scores, protocol and licences."""

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from hydra.utils import instantiate
from omegaconf import DictConfig

from video_adapters.commands.config import PROJECT
from video_adapters.commands.wording import counted, printable
from video_adapters.data.views import Views
from video_adapters.model.encoders.published import published, tags_of
from video_adapters.model.licences import terms
from video_adapters.recognition.recorded_scores import NAMES, SHARES, Scores

LIBRARY = "video-adapters"
TASK = "video-classification"
DATASETS = {
    "SomethingSomethingV2": "Something-Something V2", "Kinetics": "Kinetics", "Diving48": "Diving48",
    "Ucf101": "UCF101", "Hmdb51": "HMDB51", "MovingShapes": "moving shapes",
}  # fmt: skip
"""Names of published data sets, by the class that reads their annotations; others are somebody's own."""

PARTS = {
    "test": "They had no part in the training.",
    "val_as_test": "**These videos chose the checkpoint: expect less of others.**",
    "train_as_test": "**These videos were trained on: expect less of others.**",
}
SHOWN = 60  # classes listed openly; more are folded away


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that a card says."""

    title: str
    source: str  # what `from_pretrained` takes: a name on the hub, or where the folder lies
    cfg: DictConfig
    class_names: Sequence[str]
    thresholds: Sequence[float]  # by label; () with one label a video
    learned: int  # numbers that training changed, the head's among them
    whole: int  # numbers of the network
    fingerprint: str  # of the frozen weights
    encoder_inside: bool
    encoder_licence: str  # "" where none is known
    licence: str | None  # of what was learned, by its author's word
    scores: Scores | None


def card(facts: Facts) -> str:
    """The card: front matter for the hub, then Markdown; names of classes are text in it, whatever is in them."""
    parts = [
        f"# {text(facts.title)}",
        _about(facts),
        "## How to use",
        _use(facts),
        "## Scores",
        _scores(facts),
        "## Data",
        _data(facts),
        "## Licence",
        _licence(facts),
        "## Classes",
        _classes(facts),
    ]
    return f"---\n{front_matter(facts).to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n"


def front_matter(facts: Facts) -> ModelCardData:
    """What the hub reads."""
    method = facts.cfg.adapter["_target_"].rpartition(".")[2].lower()
    bound = bool(terms(facts.encoder_licence))
    licence = "other" if bound else facts.licence or facts.encoder_licence or None
    slug = _slug(facts.cfg)
    return ModelCardData(
        license=licence,
        license_name=facts.encoder_licence if bound else None,
        library_name=LIBRARY,
        pipeline_tag=TASK,
        tags=["action-recognition", "parameter-efficient", method],
        base_model=repository(facts.cfg),
        base_model_relation="adapter" if repository(facts.cfg) else None,
        datasets=[slug] if slug else None,
        metrics=["mAP" if facts.thresholds else "accuracy"],
        model_name=printable(facts.title),
        eval_results=_results(facts) or None,
    )


def _results(facts: Facts) -> list[EvalResult]:
    """Figures of a test that had no part in the training; others stand in the text alone."""
    if facts.scores is None or facts.scores.part != "test":
        return []
    dataset, split = data_name(facts.cfg), facts.cfg.data.get("test_split") or "test"
    return [
        EvalResult(
            task_type=TASK,
            dataset_type=_slug(facts.cfg) or "own-videos",
            dataset_name=dataset,
            dataset_split=split,
            metric_type="mAP" if name == "mAP" else "accuracy",
            metric_name=NAMES.get(name, name),
            metric_value=round(value, 4),
        )
        for name, value in facts.scores.values.items()
    ]


def repository(cfg: DictConfig) -> str | None:
    """Where the hub has the frozen encoder; None where nobody says."""
    build, tag = _published(cfg)
    return published(build, tag).repository if tag else None


def _published(cfg: DictConfig) -> tuple["partial[Any]", str]:
    """The call that builds the encoder, and the tag of its weights; "" for those of a file."""
    build, weights = instantiate(cfg.model.encoder, _convert_="all"), cfg.model.get("weights") or ""
    return build, weights if weights in tags_of(build) else ""


def data_name(cfg: DictConfig) -> str:
    """The data set in words."""
    name = DATASETS.get(cfg.data.annotations["_target_"].rpartition(".")[2], "own videos")
    return f"{name}-{cfg.data.num_classes}" if name == "Kinetics" else name


def _slug(cfg: DictConfig) -> str | None:
    """A data set as the hub's front matter names it; None for videos that are nobody else's."""
    name = data_name(cfg)
    return None if name in ("own videos", "moving shapes") else name.lower().replace(" ", "-")


def _about(facts: Facts) -> str:
    data, method = facts.cfg.data, facts.cfg.adapter["_target_"].rpartition(".")[2]
    return (
        f"Recognises {counted(len(facts.class_names), 'class')} in videos. {text(facts.cfg.model.encoder.model_name)}, "
        f"an image encoder, was adapted to videos by {text(method)}: {facts.learned:,} of {facts.whole:,} numbers were "
        f"trained ({facts.learned / facts.whole:.1%}). It looks at {counted(data.num_frames, 'frame')} of "
        f"{data.image_size}x{data.image_size} pixels."
    )


def _use(facts: Facts) -> str:
    code = (
        "```python\nfrom video_adapters.recognition import Recognizer\n\n"
        f"recognizer = Recognizer.from_pretrained({json.dumps(facts.source)})\n"
        'for name, probability in recognizer("clip.mp4").top(5):\n    print(f"{probability:.0%} {name}")\n```'
    )
    return f"It needs the package `{LIBRARY}`.\n\n{code}\n\n{_encoder(facts)} Nothing in these files is executed."


def _encoder(facts: Facts) -> str:
    """Where the frozen encoder is to be had."""
    build, tag = _published(facts.cfg)
    if facts.encoder_inside:
        return "The frozen encoder is inside: nothing else is fetched."
    if tag:
        about = published(build, tag)
        return (
            f"The frozen encoder is not inside: its library fetches `{tag}` once, from {about.repository or about.url}."
        )
    if not (weights := facts.cfg.model.get("weights")):
        return "The frozen encoder has random weights, which its seed makes."
    if is_ours(weights):
        return f"The frozen encoder is not inside: it comes with the package's checkout, as `{weights}`."
    file = f"the file `{weights}` (fingerprint `{facts.fingerprint[:12]}`)"
    return (
        f"The frozen encoder is not inside: it is {file}, and `from_pretrained(..., weights=PATH)` says where it lies."
    )


def is_ours(weights: str) -> bool:
    """Whether weights come with the project, so that everybody has them at their path."""
    return not Path(weights).is_absolute() and (PROJECT / weights).resolve().is_relative_to(PROJECT / "weights")


def _scores(facts: Facts) -> str:
    data, scores = facts.cfg.data, facts.scores
    if scores is None:
        return "None is recorded beside this checkpoint."
    views: Views = instantiate(data.test_views)
    rows = "\n".join(f"| {name} | {value} |" for name, value in scores.rows().items())
    interval = "The interval (Wilson's) is that of another draw of as many videos, not of another training."
    head, told = ("value (95 % interval)", f" {interval}") if scores.values.keys() & SHARES else ("value", "")
    return (
        f"| measure | {head} |\n|---|---|\n{rows}\n\n"
        f"Of {counted(scores.videos, 'video')} of the split `{text(data.get('test_split') or 'test')}`; those that "
        f"cannot be read count as wrong. {PARTS[scores.part]} Protocol: {counted(data.num_frames, 'frame')} x "
        f"{views.described()}, short side {views.short_side(data.image_size)}, crop {data.image_size}.{told}"
    )


def _data(facts: Facts) -> str:
    name = data_name(facts.cfg)
    return f"Trained on {name}, {counted(len(facts.class_names), 'class')}, whose terms this card does not know."


def _licence(facts: Facts) -> str:
    own = f"under {text(facts.licence)}" if facts.licence else "under no licence that is stated"
    if told := terms(facts.encoder_licence):
        encoder = f"**{told[0].upper()}{told[1:]}.**"
    elif facts.encoder_licence:
        encoder = f"The encoder's weights are under {facts.encoder_licence}."
    else:
        encoder = "Nobody states one of the encoder's weights."
    return f"What was trained is {own}. {encoder}"


def _classes(facts: Facts) -> str:
    names = [text(name) for name in facts.class_names]
    listed = "\n".join(f"- {name}" for name in names)
    if facts.thresholds:
        rows = "\n".join(f"| {name} | {least:.3f} |" for name, least in zip(names, facts.thresholds, strict=True))
        listed = (
            f"A video may have several: each that reaches its threshold.\n\n| class | threshold |\n|---|---|\n{rows}"
        )
    if len(names) > SHOWN:
        return f"<details><summary>{len(names)} classes</summary>\n\n{listed}\n\n</details>"
    return listed


def text(name: str) -> str:
    """A name as Markdown shows it, letter by letter."""
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", html.escape(printable(name), quote=False))
