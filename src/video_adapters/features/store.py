"""Features of a frozen encoder on disk: for the videos of one use, computed where they are missing, and read."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from video_adapters.commands.atomic import remove_parts, write_text
from video_adapters.commands.lock import LOCK, alone
from video_adapters.commands.wording import counted
from video_adapters.features.kinds import BOTH, EVERY_TOKEN
from video_adapters.features.layer_files import LayerFiles, is_there
from video_adapters.features.row_files import ABSENT, FLIPPED
from video_adapters.features.rows import Row, allot
from video_adapters.features.spec import FeatureSpec

if TYPE_CHECKING:
    from video_adapters.features.extraction import Extraction


class FeatureStore:
    """The features of some videos, N of them, each a row or, of random draws, several.

    A store is a folder that is named by its specification, so that what was computed otherwise lies elsewhere. Its
    index numbers the rows in the order in which they were asked for; rows are computed in groups of fixed numbers, each
    one pass of the encoder at fixed places. So the values do not depend on what was interrupted, nor on who computed.

    Args:
        root: folder of the stores.
        spec: of the values.
        layers: blocks, counted from 1, in order.
        shape: of a row and layer: (V, P, T, D), or (V, T, N, D) of all tokens.
        rows: of the videos, the draws of a video one after the other.
        draws: of each video.
        per_pass: rows of a group, where the store is a new one.

    Attributes:
        folder: of the store.
        numbers: the rows, (N, draws).
        per_pass: rows of a group.
        extraction: how its rows are computed.
        notes: why rows cannot be read, by their number, as far as this process has tried.
    """

    def __init__(
        self,
        root: Path,
        spec: FeatureSpec,
        layers: Sequence[int],
        shape: Sequence[int],
        rows: Sequence[Row],
        draws: int = 1,
        per_pass: int = 16,
    ) -> None:
        self.spec, self.folder, self.draws = spec, root / spec.key, draws
        self.extraction: Extraction | None = None
        self.notes: dict[int, str] = {}
        halves = spec.kinds[0] in EVERY_TOKEN
        self.layers = {n: LayerFiles(self.folder / f"block_{n:02d}", shape, halves) for n in layers}
        with alone(self.folder / LOCK, wait=True):
            remove_parts(self.folder, *(files.folder for files in self.layers.values()))  # of who was killed
            self.per_pass = self._made(per_pass)
            numbers, total = allot(self.folder / "index", rows)
            for files in self.layers.values():
                files.grow(total)
        self.numbers = numbers.reshape(-1, draws)

    def _made(self, per_pass: int) -> int:
        """Rows of a group: those of the store, which is begun where it is not there yet."""
        file = self.folder / "store.json"
        own = json.loads(self.spec.canonical())
        if not file.exists():
            write_text(file, json.dumps({"spec": own, "rows_per_pass": per_pass}, indent=1) + "\n")
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content["spec"] == own:
                return int(content["rows_per_pass"])
        except (ValueError, KeyError, TypeError):
            pass
        raise ValueError(f"{file} does not say what its folder's name stands for: delete the folder")

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def states(self) -> np.ndarray:
        """State of every row as it is now, (N, draws); absent where one of the layers lacks it."""
        by_layer = np.stack([files.states.read()[self.numbers] for files in self.layers.values()])
        return np.where((by_layer == ABSENT).any(0), ABSENT, by_layer[0])

    def compute(self) -> None:
        """Computes the rows that are not there, shared with whoever does the same, and shows how far it is.

        Raises:
            ValueError: for too little room, and features that are no finite numbers.
        """
        assert self.extraction is not None, "open_store knows what to compute"
        self.extraction.run()

    def is_due(self) -> np.ndarray:
        """Whether rows are to be computed, (N * draws,) bool: they are not there, nor has this process failed to read
        them."""
        due = ~is_there(self.states).reshape(-1)
        return due & ~np.isin(self.numbers.reshape(-1), list(self.notes))

    def num_present(self) -> int:
        """Rows that are there or known to be unreadable."""
        return int((self.states != ABSENT).sum())

    @property
    def present(self) -> np.ndarray:
        """Whether there are features of a row, (N, draws) bool."""
        return is_there(self.states)

    @property
    def readable(self) -> np.ndarray:
        """Whether there are features of a video, (N,) bool: of its first draw."""
        return self.present[:, 0]

    def note(self, video: int, draw: int, path: str) -> str:
        """Why a clip cannot be read."""
        return self.notes.get(int(self.numbers[video, draw]), f"{path}: could not be read")

    @property
    def flipped(self) -> np.ndarray:
        """Whether a draw is of a mirrored clip that may have changed its class, (N, draws) bool."""
        return self.states == FLIPPED

    @property
    def row_bytes(self) -> int:
        """What a row takes, over all layers."""
        return sum(files.row_bytes for files in self.layers.values())

    @property
    def num_values(self) -> int:
        """Numbers of a row, over all layers."""
        return sum(math.prod(files.shape) for files in self.layers.values())

    def missing_bytes(self) -> int:
        """What is yet to be written."""
        return int(self.is_due().sum()) * self.row_bytes

    def write(self, positions: Sequence[int], values: dict[int, np.ndarray], states: Sequence[int]) -> None:
        """Writes rows by their position in the list: (n, *shape) of each layer."""
        rows = self.numbers.reshape(-1)[list(positions)].tolist()
        for layer, files in self.layers.items():
            files.write(rows, values[layer], states)

    def check_complete(self) -> None:
        """Refuses to be read from before all is there.

        Raises:
            ValueError: saying how much is missing.
        """
        if missing := int((self.states == ABSENT).sum()):
            raise ValueError(
                f"{self.folder} lacks {counted(missing, 'clip')} of {self.numbers.size}: compute them first"
            )

    def read(self, layer: int, kind: str) -> np.ndarray:
        """Features of a block: (N, V, T, D) float32, D twice the width for `both`; views of draws stand for V. Zeros
        where a video is not readable.

        Raises:
            ValueError: for a layer or a kind that is not kept, before all is there, and for all tokens, which may not
                fit into memory: `clip` reads those of a video.
        """
        if kind in EVERY_TOKEN:
            raise ValueError("all tokens of a data set are not read at once: clip(video) reads those of one")
        self.check_complete()
        values = [[self.clip(i, layer, kind, draw) for draw in range(self.draws)] for i in range(len(self))]
        return np.array(values, np.float32).reshape(len(self), -1, *values[0][0].shape[1:])

    def clip(self, video: int, layer: int, kind: str, draw: int = 0) -> np.ndarray:
        """Features of one video: (V, T, D) float32, or of all tokens (V, T, N, D).

        Raises:
            ValueError: for a layer or a kind that is not kept.
        """
        if layer not in self.layers:
            raise ValueError(f"features of block {layer} are not there, only of {', '.join(map(str, self.layers))}")
        values = self.layers[layer].read(int(self.numbers[video, draw]))
        if kind in EVERY_TOKEN and self.spec.kinds == (kind,):
            return values
        parts = ("class", "patches") if kind == BOTH else (kind,)
        if missing := [part for part in parts if part not in self.spec.kinds]:
            raise ValueError(
                f"features '{missing[0]}' are not kept of this encoder, only: {', '.join(self.spec.kinds)}"
            )
        chosen = [values[:, self.spec.kinds.index(part)] for part in parts]
        return chosen[0] if len(chosen) == 1 else np.concatenate(chosen, -1)
