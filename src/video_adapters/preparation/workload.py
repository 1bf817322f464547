"""Work on many videos in many processes, with its progress."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from video_adapters.commands.terminal import advancing
from video_adapters.commands.workers import Failure, cores, spread
from video_adapters.data.video.time_limit import most_seconds
from video_adapters.preparation.encode_video import Copy
from video_adapters.preparation.source import Listed

IN_USE = "{} is in use: another src/prepare.py writes there; wait for it, or end it"


Job = TypeVar("Job", Listed, Copy)
Result = TypeVar("Result")


def worked_on(
    title: str, work: Callable[[Job], Result], jobs: Sequence[Job], num_workers: int | None
) -> Iterator[tuple[Job, Result | Failure]]:
    """Does the work on all cores, or in so many processes, and shows how far it is and when it will be done: a bar,
    or where nobody watches, a line a minute. What takes longer than `most_seconds` is a Failure."""
    with advancing(title, len(jobs)) as show:
        ends = spread(work, jobs, cores(num_workers), lambda job: most_seconds(job.source))
        for done, end in enumerate(ends, 1):
            yield end
            show(done)
