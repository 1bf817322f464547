"""Decodes every video of a data set and reports what is wrong with which."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from omegaconf import DictConfig
from rich.table import Table

from video_adapters.commands.atomic import replacing
from video_adapters.commands.lock import alone
from video_adapters.commands.outputs import check_file
from video_adapters.commands.signals import stoppable
from video_adapters.commands.terminal import console
from video_adapters.commands.wording import printable
from video_adapters.commands.workers import Failure
from video_adapters.data import check_report as report
from video_adapters.data.check_report import STATUSES, UNREADABLE, VideoCheck, in_report
from video_adapters.data.from_config import annotations_of, splits_of
from video_adapters.data.video.probe_video import probe_video, size_of, stamp_of
from video_adapters.preparation.source import Listed, Source, listed
from video_adapters.preparation.workload import IN_USE, worked_on

SHOWN = 5  # bad videos named on the terminal; the report has all


@dataclass(frozen=True, kw_only=True)
class Check:
    """What the command line asks for."""

    source: Source
    out: Path | None  # the report; None: NAME_report.csv in the current folder
    workers: int | None = None  # processes; None: as many as cores
    fresh: bool = False  # starts again instead of going on


def check(request: Check) -> Path:
    """Writes the report, or goes on with one, and prints its summary.

    Raises:
        ValueError: the data set is not as its config says, or the file to be written cannot be, is no report, or is
            that of another root.
    """
    path = (request.out or Path(f"{request.source.data}_report.csv")).absolute()
    check_file(path, "--out")
    cfg = request.source.config()
    annotations = annotations_of(cfg)
    splits = splits_of(cfg, annotations)
    videos = listed(annotations, cfg.root, splits)
    lock = path.with_name(f".{path.name}.lock")
    with alone(lock, IN_USE.format(lock)), stoppable(f"the same command goes on with {path}"):
        earlier = {} if request.fresh or not path.is_file() else _earlier(path, cfg.root)
        done = [finding for one in videos if (finding := _still_true(one, earlier, cfg.root)) is not None]
        # in one step: what was there before is not lost when this is interrupted
        with replacing(path) as new, new.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            report.write_header(file)
            for finding in done:
                report.write(file, finding)
        names = {finding.path for finding in done}
        left = [one for one in videos if in_report(one.video.path, cfg.root) not in names]
        if done:
            print(f"{len(done)} of {len(videos)} videos are in {path} already; --fresh would decode them again")
        findings = [*done, *_decoded(path, left, cfg, request.workers)]
    _summarise(path, findings, splits)
    return path


def _earlier(path: Path, root: str) -> dict[str, VideoCheck]:
    """What an earlier check found, which must have been of the same root."""
    checks, here = report.read(str(path)), os.path.realpath(root)
    for other in sorted({finding.root for finding in checks.values()} - {here}):
        of = f"the report of {other}" if other else "a report that does not say of which root, from an earlier version"
        raise ValueError(f"{path} is {of}, now asked for is {here}: give another --out, or --fresh to write over it")
    return checks


def _still_true(one: Listed, earlier: dict[str, VideoCheck], root: str) -> VideoCheck | None:
    """What an earlier check found, unless the file has changed since; what could not be read is looked at again."""
    finding = earlier.get(in_report(one.video.path, root))
    if finding is None or finding.status in UNREADABLE or not finding.stamp:
        return None
    if (finding.size, finding.stamp) != (size_of(one.video.path), stamp_of(one.video.path)):
        return None
    return replace(finding, splits=one.splits)


def _decoded(path: Path, left: Sequence[Listed], cfg: DictConfig, workers: int | None) -> list[VideoCheck]:
    """Decodes what is left, and adds a line to the report as each is done."""
    findings = []
    with path.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
        for one, result in worked_on("decoding", partial(_inspect, cfg.strict), left, workers):
            if isinstance(result, Failure):
                size = size_of(one.video.path)
                result = VideoCheck(path=one.video.path, status="broken", size=size, reason=result.reason)
            named = in_report(one.video.path, cfg.root)
            finding = replace(result, path=named, splits=one.splits, root=os.path.realpath(cfg.root))
            report.write(file, finding)
            findings.append(finding)
    return findings


def _inspect(strict: bool, one: Listed) -> VideoCheck:
    return probe_video(one.video, strict)


def _summarise(path: Path, findings: Sequence[VideoCheck], splits: Sequence[str]) -> None:
    total = Counter(finding.status for finding in findings)
    statuses = [status for status in STATUSES if total[status] or status in ("ok", *UNREADABLE)]
    table = Table("split", "videos", *statuses, "frames", title=str(path), title_justify="left")
    for split in splits:
        here = [finding for finding in findings if split in finding.splits.split()]
        counts = Counter(finding.status for finding in here)
        frames = sorted({finding.frames for finding in here if finding.frames})
        span = " to ".join(map(str, dict.fromkeys([frames[0], frames[-1]]))) if frames else "-"
        table.add_row(split, str(len(here)), *(str(counts[status]) for status in statuses), span)
    out = console()
    out.print(table)
    bad = [finding for finding in findings if finding.status in (*UNREADABLE, "corrupt", "truncated")]
    for finding in bad[:SHOWN]:
        out.print(printable(f"{finding.status}: {finding.path!r}: {finding.reason}"), markup=False, highlight=False)
    if len(bad) > SHOWN:
        out.print(f"... and {len(bad) - SHOWN} more, in the report")
    if any(finding.status in UNREADABLE for finding in findings):
        out.print(
            f"to leave the broken and missing ones out, of training or (openly) of an evaluation, add:\n"
            f"  data.report={path}", markup=False, highlight=False,
        )  # fmt: skip
    else:
        out.print("every video can be read: nothing needs to be left out")
