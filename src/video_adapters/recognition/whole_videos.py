"""Recognition of whole videos, however many: decoded in processes, and passed through the network a batch at a time."""

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from video_adapters.commands.workers import Failure, spread_in_order
from video_adapters.data.annotations import UNLABELLED, Video
from video_adapters.data.clips.sample import Sampling
from video_adapters.data.clips.transform import TestTransform
from video_adapters.data.dataset import read_views
from video_adapters.data.video.frame_source import DecodeError
from video_adapters.data.video.reader import open_video
from video_adapters.data.video.time_limit import most_seconds
from video_adapters.model.finite_weights import NotFinite
from video_adapters.recognition.find_videos import Unread
from video_adapters.recognition.journal import Entry, Journal
from video_adapters.recognition.recognizer import Recognizer

AHEAD = 2  # videos for each process that are decoded before their turn, while an earlier one takes long
MOST_WAITING = 1000  # unreadable videos that wait for a batch to be full


class Decoded(NamedTuple):
    """A video on its way to the network."""

    clips: np.ndarray  # (V, T, 3, S, S) uint8
    remarks: tuple[str, ...]  # what is odd about the file


Item = Entry | Unread
Answer = Decoded | Entry | Unread
"""A video that is decoded, or known already, or no video."""
Result = tuple[Item, Answer | Failure]
Batch = list[Result]
Scored = Future[list[Item]]


def recognise(
    recognizer: Recognizer, videos: Iterable[str | Unread], journal: Journal, num_workers: int, size: int
) -> Iterator[Item]:
    """What comes out of videos, in their order; the journal is asked first, and told.

    While `size` videos go through the network together, the next ones are decoded. The journal is told of all of them
    at once, so that a command that was stopped goes on with the same batches, and their very numbers.
    """
    how = recognizer.sampling, recognizer.transform, recognizer.views.clips
    decode: Callable[[Item], Answer] = partial(_decoded, *how)
    jobs: Iterator[tuple[Item, Answer | None]] = map(partial(_job, journal), videos)
    results: Generator[Result, None, None] = spread_in_order(
        decode, jobs, num_workers, _most_seconds, AHEAD * num_workers
    )
    network, running = ThreadPoolExecutor(1), list[tuple[Batch, Scored]]()
    with closing(results):
        try:
            for batch in _batches(results, size):
                running.append((batch, network.submit(_scored, recognizer, batch)))
                if len(running) > 1:
                    yield from _noted(journal, *running.pop(0))
            for last in running:
                yield from _noted(journal, *last)
        finally:
            network.shutdown(cancel_futures=True)


def _batches(results: Iterable[Result], size: int) -> Iterator[Batch]:
    """Videos in parts of which `size` were decoded; what was not stands alone where no such part has begun."""
    batch: Batch = []
    decoded = 0
    for result in results:
        batch.append(result)
        decoded += isinstance(result[1], Decoded)
        if decoded in (0, size) or len(batch) == MOST_WAITING:
            yield batch
            batch, decoded = [], 0
    if batch:
        yield batch


def _scored(recognizer: Recognizer, batch: Batch) -> list[Item]:
    """What comes out of a batch; where scores are no numbers, of each of its videos alone."""
    clips = [torch.from_numpy(result.clips) for _, result in batch if isinstance(result, Decoded)]
    try:
        scores = iter(recognizer.probabilities(torch.stack(clips)) if clips else ())
    except NotFinite as error:
        if len(batch) > 1:
            return [outcome for one in batch for outcome in _scored(recognizer, [one])]
        return [Unread(batch[0][0].path, str(error))]
    outcomes = list[Item]()
    for item, result in batch:
        if isinstance(result, Decoded) and isinstance(item, Entry):
            outcomes.append(replace(item, scores=[next(scores)[None]], about={"remarks": result.remarks}))
        elif isinstance(result, Failure):
            outcomes.append(Unread(item.path, result.reason))
        elif not isinstance(result, Decoded):
            outcomes.append(result)
    return outcomes


def _noted(journal: Journal, batch: Batch, scored: Scored) -> Iterator[Item]:
    """What comes out of a batch, once the journal knows it."""
    outcomes = scored.result()
    with journal.together():
        for (_, result), outcome in zip(batch, outcomes, strict=True):
            if isinstance(result, Decoded) and isinstance(outcome, Entry):
                journal.add(outcome, outcome.scores[0], **outcome.about)
    yield from outcomes


def _job(journal: Journal, video: str | Unread) -> tuple[Item, Answer | None]:
    """A video with its result, where there is one without work."""
    if isinstance(video, Unread):
        return video, video
    entry = journal.of(video)
    return entry, entry if entry.scores else None


def _most_seconds(job: Item) -> float:
    return most_seconds(job.path)


def _decoded(sampling: Sampling, transform: TestTransform, num_clips: int, job: Item) -> Answer:
    """A video's test views, as an array: a tensor would be handed over in shared memory, which containers lack."""
    torch.set_num_threads(1)  # the processes are the parallelism; and of other threads a forked one has but the memory
    assert isinstance(job, Entry)
    try:
        with open_video(Video(job.path, UNLABELLED)) as span:
            clips = read_views(span, sampling, transform, num_clips)
            return Decoded(np.ascontiguousarray(clips.numpy()), span.quality)
    except DecodeError as error:
        return Unread(job.path, error.reason)
