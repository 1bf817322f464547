"""Loading processes that died or hang, in a sentence with what to do."""

import re

LESS = "fewer data.num_workers or a smaller batch.per_device take less"
SENTENCES = {
    r"is killed by signal: Killed": "a loading process was killed (SIGKILL), as the system does when memory runs out: "
    + LESS,
    r"is killed by signal: Bus error|shared memory|</torch_\w+>": "the loading processes ran out of shared memory "
    f"(/dev/shm, or ulimit -f): give the container more (docker run --shm-size=...); {LESS}, data.num_workers=0 none",
    r"is killed by signal: (?P<signal>[^.]*)": "a loading process was ended by a signal ({signal}); if a video did it, "
    "`python src/prepare.py check` finds out which",
    r"DataLoader worker .*exited unexpectedly": "a loading process ended by itself; data.num_workers=0 shows why",
    r"DataLoader timed out after (?P<seconds>[\d.]+) s": "no batch came for {seconds} s: a disk stands still, or "
    "data.timeout has to be larger (seconds); data.num_workers=0 waits as long as it takes",
    r"Too many open files|received 0 items of ancdata": "the loading processes have too many files open: raise the "
    "limit by ulimit -n 65536, or take fewer data.num_workers",
    r"Connection (closed|reset) by peer": "another process of this run has ended; what it said stands above",
}
"""By what torch (2.6 to 2.14) says; the first that is found counts."""


def why_no_batch(error: BaseException) -> str | None:
    """What to say of an error that a loading process, or waiting for one, has raised; None of any other."""
    if not isinstance(error, RuntimeError | OSError):
        return None
    message = f"{error}\n{error.__cause__}"  # a worker was killed while a batch is waited for: the cause tells how
    for pattern, sentence in SENTENCES.items():
        if match := re.search(pattern, message):
            return sentence.format(**match.groupdict())
    return None
