"""A run's folder, held by one run at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from video_adapters.commands.atomic import remove_parts
from video_adapters.commands.lock import LOCK, alone
from video_adapters.trust.checkpoint_file import has_state


def refuse_another(folder: Path) -> None:
    """Refuses to start a new run where one is that could go on.

    Raises:
        ValueError: naming both ways out.
    """
    if has_state(folder):
        raise ValueError(
            f"{folder} holds a run already, and two in one folder would mix: go on with it by resume={folder}, or give "
            "the new one a folder of its own (hydra.run.dir=FOLDER)"
        )


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a run's folder for this process, and removes what a killed one left half written there.

    Of a run of several processes the first one holds it.

    Raises:
        Busy: another process holds it.
    """
    if getattr(rank_zero_only, "rank", 0) != 0:
        yield
        return
    with alone(folder / LOCK, f"another process is training in {folder}: wait for its end, or stop it first") as held:
        if held:
            remove_parts(folder, folder / "checkpoints")
        yield
