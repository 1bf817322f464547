"""Zip archives that others wrote, as torch and numpy keep weights, looked at before they are unpacked."""

import zipfile
from pathlib import Path

MOST_GROWTH = 4  # times the file: torch packs nothing, and float32 weights hardly shrink to a half


class Bomb(ValueError):
    """An archive that is small and unpacks to much more."""


def refuse_bomb(path: Path) -> None:
    """Refuses an archive whose parts are together much larger than the file; what is no archive passes.

    Raises:
        Bomb: saying how large both are.
        zipfile.BadZipFile: its list of parts cannot be read.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > MOST_GROWTH * path.stat().st_size:
        raise Bomb(
            f"it is an archive of {path.stat().st_size} bytes that unpacks to {unpacked}, and weights come to at most "
            f"{MOST_GROWTH} times as many"
        )
