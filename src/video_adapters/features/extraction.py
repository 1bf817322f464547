"""Computation of the features that a store lacks: clips decoded in processes, passed through the encoder, written."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from rich.filesize import decimal
from torch import Tensor

from video_adapters.commands.terminal import advancing, summary
from video_adapters.commands.wording import counted, in_time
from video_adapters.data.loader import Loader
from video_adapters.data.shared_memory import Need, check_room
from video_adapters.features.claims import Claims
from video_adapters.features.clip_groups import ClipGroups, Group, GroupClips, RowClips, as_is
from video_adapters.features.kinds import features_of
from video_adapters.features.row_files import FLIPPED, PRESENT, UNREADABLE
from video_adapters.features.store import FeatureStore
from video_adapters.model.backbone import Backbone
from video_adapters.model.hardware import WEIGHTS, multiplying

log = logging.getLogger(__name__)

WAIT = 0.5  # seconds between looks at what other processes do
SOON = 10.0  # seconds of work of which nothing is said beforehand
SAMPLED = 2  # groups that a prediction of the time rests on; the first of them starts everything, and does not count


@dataclass(kw_only=True)
class Extraction:
    """A frozen encoder's passes over the clips that a store lacks.

    Processes share the work: each claims the groups that it decodes. What another has claimed is waited for, and taken
    over if that one dies. Videos that could not be read before are tried again.
    """

    store: FeatureStore
    clips: RowClips  # of the store's rows
    backbone: Backbone
    device: torch.device
    precision: str  # as Lightning names it
    num_workers: int  # processes that decode
    timeout: float  # seconds without a batch that end it
    title: str
    shown: bool = True  # whether this process says how far it is
    minutes: float | None = None  # most that it may take
    _seconds: list[float] = field(default_factory=list)  # of each group, of whatever held the other up

    def run(self) -> None:
        """Computes what is missing, and says beforehand what that takes.

        Raises:
            ValueError: for too little room or time, and features that are no finite numbers.
        """
        if not (groups := self._missing()):
            return
        self._check_room(len(groups))
        self.backbone.to(self.device, WEIGHTS.get(self.precision)).eval()
        total, claims = self.store.numbers.size, Claims(self.store.folder / "claims")
        with _resumable(), claims, advancing(self.title, total, self.store.num_present(), self.shown) as show:
            while groups:
                if not self._round(groups, claims, show):  # others compute all that is left
                    time.sleep(WAIT)
                    show(self.store.num_present())
                groups = self._missing()
        if self.store.notes:
            log.warning(
                "%s: %s of %d could not be read, such as %s",
                self.title, counted(len(self.store.notes), "clip"), total, next(iter(self.store.notes.values())),
            )  # fmt: skip

    def _missing(self) -> list[Group]:
        """The groups of which a row is not there, nor has been tried by this process."""
        positions = np.flatnonzero(self.store.is_due())
        numbers, slots = np.divmod(self.store.numbers.reshape(-1)[positions], self.store.per_pass)
        groups: dict[int, dict[int, int]] = {}  # number -> slot -> position: a video that is listed twice has one row
        for number, slot, position in zip(numbers.tolist(), slots.tolist(), positions.tolist(), strict=True):
            groups.setdefault(number, {}).setdefault(slot, position)
        return [Group(number, tuple(of), tuple(of.values())) for number, of in sorted(groups.items())]

    def _round(self, groups: Sequence[Group], claims: Claims, show: Callable[[int], None]) -> bool:
        """Computes the groups that nobody else has claimed; whether there was one."""
        backbone, store = self.backbone, self.store
        decoded = ClipGroups(self.clips, store.per_pass, backbone.num_frames, backbone.encoder.image_size)
        workers = min(self.num_workers, len(groups))
        loader = Loader(
            decoded,
            sampler=self._claimed(groups, claims),
            batch_size=None,
            collate_fn=as_is,
            num_workers=workers,
            timeout=self.timeout,
        )
        writing: Future[None] | None = None
        with ThreadPoolExecutor(1) as writer:
            for batch in loader:
                start = time.perf_counter()
                values = self._computed(batch.clips)
                took = time.perf_counter() - start
                self._seconds.append(max(took, batch.seconds / workers) if workers else took + batch.seconds)
                if len(self._seconds) == SAMPLED:
                    self._predict(len(groups))
                if writing is not None:
                    writing.result()
                writing = writer.submit(self._write, batch, values, claims)
                show(store.num_present())
            if writing is not None:
                writing.result()
        show(store.num_present())
        return writing is not None

    def _claimed(self, groups: Sequence[Group], claims: Claims) -> Iterator[Group]:
        """The groups that are this process's to compute, claimed when they are about to be decoded."""
        for group in groups:
            if not claims.take(group.number):
                continue
            due = self.store.is_due()[list(group.positions)]  # another process may have been here meanwhile
            kept = [pair for pair, is_due in zip(zip(*group[1:], strict=True), due, strict=True) if is_due]
            if kept:
                yield Group(group.number, *(tuple(column) for column in zip(*kept, strict=True)))
            else:
                claims.release(group.number)

    @torch.inference_mode()
    def _computed(self, clips: Tensor) -> dict[int, np.ndarray]:
        """(G, V, T, 3, S, S) uint8 -> of each layer (G, V, P, T, D), or (G, V, T, N, D), float32."""
        views = clips.to(self.device, non_blocking=True).flatten(0, 1)
        with multiplying(self.precision, self.device):
            layers = features_of(self.backbone, views, self.store.layers, self.store.spec.kinds)
            return {layer: x.unflatten(0, clips.shape[:2]).cpu().numpy() for layer, x in layers}

    def _write(self, batch: GroupClips, values: dict[int, np.ndarray], claims: Claims) -> None:
        """Writes the rows of a group that were asked for, and lets go of it."""
        group = batch.group
        own = {layer: x[list(group.slots)] for layer, x in values.items()}
        for place, position in enumerate(group.positions):
            if not all(np.isfinite(x[place]).all() for x in own.values()):
                raise ValueError(
                    f"the features of {self.clips.path(position)} are no finite numbers in precision {self.precision}, "
                    "whose range they left: give trainer.precision=32-true"
                )
        states = [
            UNREADABLE if why else FLIPPED if flipped else PRESENT
            for why, flipped in zip(batch.broken, batch.flipped, strict=True)
        ]
        self.store.write(group.positions, own, states)
        first = group.number * self.store.per_pass
        self.store.notes |= {first + slot: why for slot, why in zip(group.slots, batch.broken, strict=True) if why}
        claims.release(group.number)

    def _check_room(self, num_groups: int) -> None:
        """Refuses what the disk, or the memory shared with loading processes, has no room for."""
        backbone, needed = self.backbone, self.store.missing_bytes()
        free = shutil.disk_usage(self.store.folder).free
        if needed > free:
            raise ValueError(
                f"{self.title} need {decimal(needed)} in {self.store.folder}, which has {decimal(free)} free: give "
                "features.root=FOLDER of another disk, or features.layers=[N] with fewer blocks"
            )
        height, width = backbone.encoder.image_size
        clip = self.clips.num_views * backbone.num_frames * 3 * height * width
        check_room(Need(self.store.per_pass * clip, min(self.num_workers, num_groups)))

    def _predict(self, num_groups: int) -> None:
        """Says what it takes, by the groups that were computed so far, unless it is done sooner than that is read; a
        ValueError for longer than it may."""
        clips, seconds = num_groups * self.store.per_pass, num_groups * self._seconds[-1]
        if self.minutes is not None and seconds > 60 * self.minutes:
            raise ValueError(
                f"{self.title} would take about {in_time(seconds)} on this {self.device.type}, of "
                f"features.minutes={self.minutes:.3g}: give more, or fewer videos (data.max_videos=N)"
            )
        if seconds < SOON or not self.shown:
            return
        summary(
            self.title,
            {
                "clips": f"{int(self.store.is_due().sum())} of {self.store.numbers.size} are to be computed, once",
                "takes": f"about {in_time(seconds)}, {clips / seconds:.1f} clips/s on this {self.device.type}",
                "disk": f"{decimal(self.store.missing_bytes())} in {self.store.folder}",
            },
        )


@contextmanager
def _resumable() -> Iterator[None]:
    """Notes on what ends the computation that nothing of it is lost."""
    try:
        yield
    except BaseException as error:
        note = "features that are computed are kept: the same command goes on with the others"
        error.__notes__ = [*getattr(error, "__notes__", []), note]  # type: ignore[attr-defined]
        raise
