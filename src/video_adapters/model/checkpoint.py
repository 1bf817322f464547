"""Learned weights by name, fitted to a network whose encoder, adapters, clips and classes are compared."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from torch import Tensor

from video_adapters.model.classifier import VideoClassifier
from video_adapters.model.resize_time import resize_time, time_weights

PREFIX = "classifier."  # of parameter names in files
VERSION = 1  # of the layout of files
UNCHOSEN = 0.5  # the threshold of a class for which no validation has chosen one


@dataclass(frozen=True)
class Origin:
    """What a checkpoint says about itself, beside its weights."""

    config: dict[str, Any]  # resolved; rebuilds model, data and protocol
    class_names: tuple[str, ...]  # by label
    encoder: str  # fingerprint of the frozen weights
    licence: str = field(default="", kw_only=True)  # of these; "" where none is known, and in earlier files
    thresholds: tuple[float, ...] = field(default=(), kw_only=True)  # by label, with several labels per video; () else
    version: int = field(default=VERSION, kw_only=True)

    def as_dict(self) -> dict[str, Any]:
        """Plain containers, so that files load with weights_only=True."""
        return {**asdict(self), "class_names": list(self.class_names), "thresholds": list(self.thresholds)}


def origin(checkpoint: dict[str, Any]) -> Origin:
    """Where a checkpoint came from."""
    content = checkpoint["origin"]
    rest = {name: content[name] for name in ("licence", "version") if name in content}
    thresholds = tuple(content.get("thresholds", ()))
    return Origin(content["config"], tuple(content["class_names"]), content["encoder"], thresholds=thresholds, **rest)


def origin_of(classifier: VideoClassifier, config: dict[str, Any], class_names: Sequence[str]) -> Origin:
    """What a model says of itself, built by a config for classes."""
    encoder = classifier.backbone.encoder
    return Origin(config, tuple(class_names), encoder.fingerprint, licence=encoder.licence)


def load_trained(classifier: VideoClassifier, own: Origin, checkpoint: dict[str, Any]) -> None:
    """Fills what trains from a checkpoint of the same model; a head's classes in another order are matched by name.
    The frozen weights too, where they are inside.

    Raises:
        ValueError: when the frozen weights or the set of adapters differ, naming the difference.
    """
    check_same_model(classifier, own, checkpoint)
    if frozen := _frozen(checkpoint):
        _check_frozen(classifier, frozen)
    order = _order(origin(checkpoint).class_names, own.class_names)
    classifier.load_state_dict(frozen | _with_head_in(order, _weights(checkpoint)), strict=False)


def thresholds_for(own: Origin, checkpoint: dict[str, Any]) -> tuple[float, ...]:
    """A checkpoint's thresholds in the order of a model's own classes; () where it has none."""
    theirs = origin(checkpoint)
    order = _order(theirs.class_names, own.class_names) if theirs.thresholds else None
    return tuple(theirs.thresholds[label] for label in order or ())


class Taken(NamedTuple):
    """What a model took over from a checkpoint that it starts from."""

    adapters: bool  # or whatever else of the backbone trained there
    head: bool


def load_start(classifier: VideoClassifier, own: Origin, checkpoint: dict[str, Any], over_time: bool = False) -> Taken:
    """Starts from a checkpoint's adapters, and from its head where the classes are the same ones, in whatever order.

    Classes without names are taken for the same where they are as many. Pretrained weights that the checkpoint left
    frozen stay as they are where they train here; so do adapters, which change nothing before training, where the
    checkpoint has none: then the model scores as the checkpoint's did. With `over_time`, what it learned per frame is
    resized where it was trained on clips of another number of frames. Frozen weights inside are passed over.

    Raises:
        ValueError: when the frozen weights, the set of adapters or the head differ, naming the difference, and when
            nothing can be taken over.
    """
    theirs = origin(checkpoint)
    checkpoint = {key: value for key, value in checkpoint.items() if key != "frozen"}
    order = _order(theirs.class_names, own.class_names) if _labels(theirs) == _labels(own) else None
    if not over_time and _clip(theirs) != _clip(own):
        raise ValueError(_other_clips(theirs, own))
    if over_time:
        resized = resize_time(_weights(checkpoint), classifier)
        checkpoint = {**checkpoint, "state_dict": {f"{PREFIX}{name}": value for name, value in resized.items()}}
    check_same_model(classifier, own, checkpoint, head=order is not None, start=True)
    taken = Taken(any(name.startswith("backbone.") for name in _weights(checkpoint)), order is not None)
    if not any(taken):
        raise ValueError(
            "the checkpoint has a head alone, and its classes are others than here: there is nothing to start from"
        )
    classifier.load_state_dict(_with_head_in(order, _weights(checkpoint)), strict=False)
    return taken


def check_same_classes(own: Origin, checkpoint: dict[str, Any], root: str, ordered: bool = False) -> None:
    """Refuses to score a checkpoint on classes that are not its own or, if `ordered`, not in its order.

    Raises:
        ValueError: naming the first class that differs.
    """
    if (of_it := _labels(origin(checkpoint))) != _labels(own):
        raise ValueError(
            f"the checkpoint was trained with data.labels={of_it}, here it is {_labels(own)}: give the same, or train "
            "by init_from=CHECKPOINT, which makes a new head"
        )
    there, here = origin(checkpoint).class_names, own.class_names
    order = _order(there, here)
    if order is not None and not (ordered and order != list(range(len(here)))):
        return
    if len(there) != len(here):
        raise ValueError(f"the checkpoint tells {len(there)} classes apart, {root} has {len(here)}")
    label = next(i for i, pair in enumerate(zip(there, here, strict=True)) if pair[0] != pair[1])
    raise ValueError(
        f"the checkpoint's classes are not those of {root}: label {label} is '{there[label]}' to it and "
        f"'{here[label]}' there, so that right answers would count as wrong; give the data set its classes back, or "
        "train by init_from=CHECKPOINT, which matches classes by name and makes a new head where they are others"
    )


def holds_everything(classifier: VideoClassifier, checkpoint: dict[str, Any]) -> bool:
    """Whether a checkpoint has every parameter, so that no other file is needed: that of a fully tuned model, and one
    with the frozen weights inside."""
    return dict(classifier.named_parameters()).keys() <= _weights(checkpoint).keys() | _frozen(checkpoint).keys()


def frozen_weights(classifier: VideoClassifier) -> dict[str, Tensor]:
    """What a run leaves as it was, by name: all that is not `learned`, each tensor once."""
    learned, state = classifier.learned(), classifier.state_dict()
    names = [name for name, _ in chain(classifier.named_parameters(), classifier.named_buffers())]
    return {name: state[name] for name in names if name in state and name not in learned}


def check_same_model(
    classifier: VideoClassifier, own: Origin, checkpoint: dict[str, Any], head: bool = True, start: bool = False
) -> None:
    """Refuses a checkpoint of another model.

    Args:
        classifier: the model here.
        own: what it says of itself.
        checkpoint: the file's content.
        head: whether the heads are compared too.
        start: lets pretrained weights train here that were frozen there, and adapters where there were none at all.

    Raises:
        ValueError: when the frozen weights, the features that a compared head reads, or what trains differ.
    """
    theirs = origin(checkpoint)
    if theirs.encoder != own.encoder and not holds_everything(classifier, checkpoint):
        raise ValueError(_other_encoder(theirs, own))
    if head and _features(theirs) != _features(own):
        raise ValueError(
            f"the checkpoint's head reads features of {_features(theirs)}, the model here gives those of "
            f"{_features(own)}: give {_features(theirs)}"
        )
    beside = any(name.startswith("backbone.side.") for name in _weights(checkpoint))
    if head and beside != (classifier.backbone.side is not None):
        reads, given = ("a network beside the encoder", "the encoder itself")[:: 1 if beside else -1]
        raise ValueError(
            f"the checkpoint's head reads features of {reads}, the model here gives those of {given}: give the "
            "checkpoint's adapter"
        )
    here = {name: p for name, p in classifier.learned().items() if head or not name.startswith("head.")}
    there = {name: v for name, v in _weights(checkpoint).items() if head or not name.startswith("head.")}
    if start:
        added = _added(classifier, there.keys())
        here = {name: p for name, p in here.items() if name in there or name.startswith("head.") or name in added}
    if any(name in there and there[name].shape != here[name].shape for name in time_weights(classifier)):
        raise ValueError(_other_clips(theirs, own))
    if differences := _differences(here, there):
        heads = {_head(of) for of in (theirs, own)} if any("head." in one for one in differences) else set()
        other = f". Its head is {_head(theirs)}, here it is {_head(own)}: give the same" if len(heads) > 1 else ""
        raise ValueError("the checkpoint does not fit the model: " + "; ".join(differences) + other)


def _weights(checkpoint: dict[str, Any], part: str = "state_dict") -> dict[str, Tensor]:
    return {name.removeprefix(PREFIX): value for name, value in checkpoint[part].items()}


def _frozen(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """Weights that training left as they were, where a checkpoint brings them."""
    return _weights(checkpoint, "frozen") if "frozen" in checkpoint else {}


def _check_frozen(classifier: VideoClassifier, frozen: dict[str, Tensor]) -> None:
    """Refuses frozen weights that are others than the model's, by name or shape."""
    if differences := _differences(frozen_weights(classifier), frozen):
        raise ValueError("the encoder inside does not fit the model: " + "; ".join(differences))


def _other_encoder(theirs: Origin, own: Origin) -> str:
    there, here = (of.config.get("data", {}).get("image_size") for of in (theirs, own))
    if there != here:
        return (
            f"the checkpoint was trained on frames of data.image_size={there}, and at {here} pixels the encoder has "
            f"other weights (its position embedding or its windows follow the size): give data.image_size={there}"
        )
    return (
        "the checkpoint belongs to other frozen weights: it was trained on "
        f"{_encoder(theirs)}, the model here stands on {_encoder(own)}; give model.weights=PATH of the right ones"
    )


def _encoder(of: Origin) -> str:
    model = of.config.get("model", {})
    name = model.get("encoder", {}).get("model_name", "an encoder")
    return f"{name} ({model.get('weights') or 'random weights'}, fingerprint {of.encoder[:12]})"


def _added(classifier: VideoClassifier, there: Collection[str]) -> set[str]:
    """What the model's method adds to the backbone and trains; nothing for a checkpoint whose method added nothing."""
    pretrained = {id(p) for p in classifier.backbone.pretrained()}
    added = {name for name, p in classifier.trainable().items() if id(p) not in pretrained}
    frozen = classifier.state_dict().keys() - added
    return added if any(name.startswith("backbone.") and name not in frozen for name in there) else set()


def _head(of: Origin) -> str:
    """A head by its class and settings, as one would give them on the command line."""
    head = dict(of.config.get("head", {}))
    name = head.pop("_target_", "unknown").rpartition(".")[2]
    return " ".join([name, *(f"head.{key}={value}" for key, value in head.items())])


def _features(of: Origin) -> str:
    """The keys that say where the encoder ends and what it gives; earlier versions had none of them."""
    model = of.config.get("model", {})
    return " ".join(f"model.{key}={'null' if model.get(key) is None else model[key]}" for key in ("depth", "pool"))


def _order(there: tuple[str, ...], here: tuple[str, ...]) -> list[int] | None:
    """The place in `there` of each class of `here`, by name or, where a side has but numbers for names, by number.

    None where the classes are others.
    """
    numbers = tuple(str(label) for label in range(len(here)))
    if there != here and sorted(there) == sorted(here) and len(set(here)) == len(here):
        return [there.index(name) for name in here]
    same = there == here or (len(there) == len(here) and numbers in (there, here))
    return list(range(len(here))) if same else None


def _with_head_in(order: list[int] | None, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights whose head tells the classes apart in that order; without a head for None."""
    if order is None:
        return {name: value for name, value in weights.items() if not name.startswith("head.")}
    return {name: value[order] if name.startswith("head.linear.") else value for name, value in weights.items()}


def _other_clips(theirs: Origin, own: Origin) -> str:
    return (
        f"the checkpoint was trained on {_clip(theirs)}, the model here is built for {_clip(own)}; a new run may "
        "start from it all the same by init_from=PATH resize_time=true, which interpolates over time"
    )


def _labels(of: Origin) -> str:
    """Whether its videos have one class or several; earlier versions knew but the former."""
    return str(of.config.get("data", {}).get("labels", "one"))


def _clip(of: Origin) -> str:
    data = of.config["data"]
    tubelets = f" in tubelets of {data['tubelet']}" if data.get("tubelet", 1) > 1 else ""
    return f"data.num_frames={data['num_frames']}{tubelets}"


def _differences(here: dict[str, Any], there: dict[str, Tensor]) -> list[str]:
    """What trains here but is not in the checkpoint, the other way round, and what has another shape."""
    lacks, extra = sorted(here.keys() - there.keys()), sorted(there.keys() - here.keys())
    differences = []
    if lacks:
        differences.append(f"it lacks {_some(lacks)}")
    if extra:
        differences.append(f"it has {_some(extra)}, which the model has not")
    for name in sorted(here.keys() & there.keys()):
        ours, theirs = tuple(here[name].shape), tuple(there[name].shape)
        if ours != theirs:
            return [*differences, f"{name} is {theirs} in it and {ours} here"]
    return differences


def _some(names: list[str]) -> str:
    """Up to four modules by name, and how many more."""
    modules = list(dict.fromkeys(name.rsplit(".", 2)[0] if name.count(".") > 2 else name for name in names))
    more = f" and {len(modules) - 4} more" if len(modules) > 4 else ""
    return ", ".join(modules[:4]) + more
