"""Work on many videos in many processes, with its progress."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from video_adapters.commands.terminal import advancing
from video_adapters.commands.workers import Failure, cores, spread
from video_adapters.data.video.probe_video import size_of
from video_adapters.preparation.encode_video import Copy
from video_adapters.preparation.source import Listed

MOST_SECONDS = 600  # for any video, however small
# More for larger ones. A core copies about 60 frames of 1080p a second. At 1 Mbit/s and 30 frames/s, a low rate for
# that size, a frame is 4 kB: 240 frames or 4 s to the MB. Still pictures, at a tenth of that rate, take 40 s.
SECONDS_PER_BYTE = 60e-6
SECONDS_PER_IMAGE = 1.0  # of a folder of frames; a 60th of it will do for 1080p
IN_USE = "{} is in use: another src/prepare.py writes there; wait for it, or end it"


Job = TypeVar("Job", Listed, Copy)
Result = TypeVar("Result")


def most_seconds(job: Listed | Copy) -> float:
    """How long one process may work on a video before it counts as hanging."""
    share = SECONDS_PER_IMAGE if os.path.isdir(job.source) else SECONDS_PER_BYTE
    return MOST_SECONDS + share * (size_of(job.source) or 0)


def worked_on(
    title: str, work: Callable[[Job], Result], jobs: Sequence[Job], num_workers: int | None
) -> Iterator[tuple[Job, Result | Failure]]:
    """Does the work on all cores, or in so many processes, and shows how far it is and when it will be done: a bar,
    or where nobody watches, a line a minute. What takes longer than `most_seconds` is a Failure."""
    with advancing(title, len(jobs)) as show:
        for done, end in enumerate(spread(work, jobs, cores(num_workers), most_seconds), 1):
            yield end
            show(done)
