"""Makes a copy of a data set that decodes fast, for training."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from hydra.utils import instantiate
from omegaconf import DictConfig

from video_adapters.commands.atomic import PART, remove_parts, replacing
from video_adapters.commands.errors import OF_THE_PLACE
from video_adapters.commands.grammar import hydra_quote
from video_adapters.commands.lock import LOCK, alone
from video_adapters.commands.outputs import check_folder
from video_adapters.commands.signals import stoppable
from video_adapters.commands.terminal import summary
from video_adapters.commands.wording import as_cell
from video_adapters.commands.workers import Failure
from video_adapters.data.annotations import Annotations
from video_adapters.data.annotations.prepared import copied_name, in_copy, mark, settings_of
from video_adapters.data.check_report import in_report, is_below
from video_adapters.data.clips.transform import before_crop
from video_adapters.data.from_config import annotations_of, splits_of
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.preparation.copy_cost import estimate_cost
from video_adapters.preparation.copy_labels import LEFT_OUT, check_copied_labels, copy_labels, make_inside
from video_adapters.preparation.encode_video import Copy, Settings, is_done, write_copy
from video_adapters.preparation.source import Listed, Source, listed
from video_adapters.preparation.workload import IN_USE, worked_on

PUBLISHED = 256  # short side of the copies that papers train on


@dataclass(frozen=True, kw_only=True)
class Transcode:
    """What the command line asks for."""

    source: Source
    to: Path
    short_side: int | str | None = "auto"  # see `_short_side`
    crf: int = 20
    gop: int = 12
    workers: int | None = None  # processes; None: as many as cores
    sample_only: bool = False  # stops after the prediction


class NoRoom(NamedTuple):
    """What is said of a copy that the disk does not take: no other will fare better."""

    reason: str


def transcode(request: Transcode) -> None:
    """Predicts cost and gain from a sample, then makes the copy or goes on with it.

    Raises:
        ValueError: the folder is none to write to, or the data set is not as its config says.
    """
    cfg = request.source.config()
    settings = Settings(short_side=_short_side(request.short_side, cfg.image_size), crf=request.crf, gop=request.gop)
    annotations = annotations_of(cfg)
    _check_apart(cfg.root, request.to)
    videos = listed(annotations, cfg.root, splits_of(cfg, annotations))
    copies, left_out = _plan(videos, cfg.root, request.to.absolute())
    if not request.sample_only:
        check_folder(request.to, "--to")
    estimate_cost(copies, settings, cfg, request.workers)
    if request.sample_only:
        return
    with (
        alone(request.to / LOCK, IN_USE.format(request.to / LOCK)),
        stoppable("the same command goes on where it stopped"),
    ):
        _make_ready(cfg.root, request.to, settings, copies)
        check_copied_labels(_copied(cfg, request.to), splits_of(cfg, annotations), copies)
        for copy, result in worked_on("transcoding", partial(_transcode, settings), copies, request.workers):
            if isinstance(result, NoRoom):
                raise ValueError(
                    f"{request.to}: {result.reason}; make room, and the same command goes on where it stopped"
                )
            if isinstance(result, Failure) or result is not None:
                left_out[copy.source] = result.reason if isinstance(result, Failure) else result
    _report(request, cfg, annotations, left_out)


def _short_side(short_side: int | str | None, image_size: int) -> int | None:
    """Pixels of a copy. Automatically as many as its frames are resized to before a crop, and never fewer than the
    published copies have, which are made for 224: a copy serves smaller sizes too."""
    if not isinstance(short_side, str):
        return short_side
    return max(PUBLISHED, before_crop(image_size))


def _check_apart(root: str, to: Path) -> None:
    """Refuses a copy among the originals, or the other way round."""
    source, target = Path(root).resolve(), to.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise ValueError(f"--to {to} must be a folder apart from the data set, which is in {root}")


def _plan(videos: Sequence[Listed], root: str, to: Path) -> tuple[list[Copy], dict[str, str]]:
    """What is to be copied where, and the videos of which there will be no copy, with the reason."""
    copies: dict[str, Copy] = {}
    left_out = {}
    for path in (one.video.path for one in videos):
        if not is_below(path, root):
            raise ValueError(f"{path} is not in {root}: only videos below data.root can be copied")
        target = str(to / copied_name(in_report(path, root)))
        if target in copies:
            raise ValueError(f"{copies[target].source} and {path} would both become {target}: rename one of them")
        if not os.path.lexists(path):
            left_out[path] = "is missing"
        else:
            copies[target] = Copy(path, target)
    if not copies:
        raise ValueError(f"none of the {len(videos)} videos can be copied: {next(iter(left_out.items()))}")
    return list(copies.values()), left_out


def _transcode(settings: Settings, copy: Copy) -> str | NoRoom | None:
    """Makes one copy, unless it is there; returns why it could not be made."""
    if is_done(copy.source, copy.target):
        return None
    try:
        write_copy(copy.source, copy.target, settings)
    except DecodeError as error:
        return error.reason
    except OSError as error:
        if error.errno in OF_THE_PLACE:
            return NoRoom(str(error.strerror))
        raise
    return None


def _make_ready(root: str, to: Path, settings: Settings, copies: Sequence[Copy]) -> None:
    """Label files and folders; refuses a folder that holds something else, or a copy made in another way."""
    made = settings_of(str(to))
    if made is None and (there := sorted(one for one in os.listdir(to) if one != LOCK and not one.endswith(PART))):
        raise ValueError(f"{to} holds {', '.join(there[:5])} and is no copy that was begun: choose an empty folder")
    if made is not None and made != asdict(settings):
        raise ValueError(f"{to} was made with {made}, now asked for is {asdict(settings)}: choose another folder")
    if made is None:
        remove_parts(to)
        mark(str(to), asdict(settings))  # before anything else is in it: what is interrupted can go on
    for folder in {os.path.dirname(copy.target) for copy in copies}:
        make_inside(Path(folder), to)
        remove_parts(Path(folder))  # of a process that was killed; its lock is ours now
    copy_labels(root, to, copies)


def _copied(cfg: DictConfig, to: Path) -> Annotations:
    """The data set's reader, on the copy."""
    copied: Annotations = instantiate(cfg.annotations, _convert_="all")(root=str(to))
    return copied


def _report(request: Transcode, cfg: DictConfig, annotations: Annotations, left_out: Mapping[str, str]) -> None:
    """Says what was made, after reading the copy as training will."""
    (request.to / LEFT_OUT).unlink(missing_ok=True)  # an earlier run may have left out some
    if left_out:
        reasons = [tuple(map(as_cell, row)) for row in left_out.items()]
        with replacing(request.to / LEFT_OUT) as part:
            pd.DataFrame(reasons, columns=["path", "reason"]).to_csv(part, index=False, errors="surrogateescape")
    copied = _copied(cfg, request.to)
    rows = {}
    for split in splits_of(cfg, annotations):
        wanted = {copied_name(in_report(video.path, cfg.root)) for video in annotations.videos(split)}
        videos = in_copy(str(request.to), copied.videos(split))
        copied_names = {in_report(video.path, str(request.to)) for video in videos}
        there = sum(os.path.isfile(request.to / name) for name in copied_names & wanted)
        rows[split] = f"{there} of {len(wanted)} videos"
        if moved := len(copied_names - wanted):
            rows[split] += f"; {moved} are of another split in the originals: what is left out shifts who is set aside"
    if left_out:
        rows["left out"] = f"{len(left_out)}, listed in {request.to / LEFT_OUT}"
    root = f"data.root={hydra_quote(str(request.to.absolute()))}"
    rows["train on it by"] = shlex.join([f"data={request.source.data}", *request.source.overrides, root])
    summary(str(request.to), rows)
