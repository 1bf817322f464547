"""Jobs in processes: what one does wrong costs no other."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from video_adapters.commands.workers import Failure, spread, spread_in_order


def work(job: str) -> str:
    if job == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "leave":
        os._exit(3)
    if job == "hang":
        time.sleep(60)
    if job == "slow":
        time.sleep(0.3)
    if job == "raise":
        raise KeyError("no such thing")
    return job.upper()


@pytest.mark.parametrize("num_workers", [1, 3])
def test_every_job_is_done_whatever_becomes_of_the_others(num_workers: int) -> None:
    jobs = ["a", "crash", "b", "leave", "c", "raise", "d"]
    assert dict(spread(work, jobs, num_workers, limit=lambda job: 30)) == {
        "a": "A",
        "b": "B",
        "c": "C",
        "d": "D",
        "crash": Failure("its process died: SIGKILL"),
        "leave": Failure("its process died: exit code 3"),
        "raise": Failure("KeyError: 'no such thing'"),
    }


def test_a_job_that_hangs_is_ended() -> None:
    ends = dict(spread(work, ["hang", "a"], num_workers=1, limit=lambda job: 0.1 if job == "hang" else 30))
    assert ends == {"hang": Failure("took more than 0.1 s"), "a": "A"}


def test_nothing_goes_on_once_nobody_asks_for_more() -> None:
    ends = spread(lambda job: os.getpid(), range(1000), num_workers=2, limit=lambda job: 30)
    _, process = next(ends)
    ends.close()
    assert isinstance(process, int)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert list(spread(work, [], num_workers=2, limit=lambda job: 30)) == []


@pytest.mark.parametrize("num_workers", [1, 3])
def test_ends_come_in_the_order_of_the_jobs_where_that_is_asked_for(num_workers: int) -> None:
    asked: list[str] = []

    def jobs() -> Iterator[tuple[str, str | None]]:
        for job in ["slow", "crash", "a", "there", "there", "there", "there", "there", "b"]:
            asked.append(job)
            yield job, "known" if job == "there" else None

    ends = spread_in_order(work, jobs(), num_workers, limit=lambda job: 30, ahead=4)
    assert next(ends) == ("slow", "SLOW")
    assert len(asked) <= 4  # no more are begun before the first has ended
    assert list(ends) == [
        ("crash", Failure("its process died: SIGKILL")), ("a", "A"), *[("there", "known")] * 5, ("b", "B")
    ]  # fmt: skip
    assert list(spread_in_order(work, [], num_workers, limit=lambda job: 30, ahead=1)) == []
