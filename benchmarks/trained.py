"""What the benchmarks that train have in common: a run by its command, and a table in a document."""

import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from video_adapters.commands.config import PROJECT


def train(overrides: Sequence[str], folder: Path) -> None:
    """Trains and tests by `python src/train.py OVERRIDES`, into a folder.

    A signal reaches the run once, by way of this process, so that it saves its state and ends.

    Raises:
        SystemExit: when it did not finish.
    """
    (folder / "metrics.csv").unlink(missing_ok=True)  # of a run before
    command = [sys.executable, "src/train.py", *overrides, "logger=csv", f"hydra.run.dir={folder}"]
    run = subprocess.Popen(command, cwd=PROJECT, start_new_session=True)
    try:
        code = run.wait()
    except KeyboardInterrupt:
        run.send_signal(signal.SIGINT)
        run.wait()
        sys.exit(f"\nstopped in {folder.name}; finished rows are kept, the same command goes on with the others")
    if code:
        sys.exit(f"{folder.name} ended with exit code {code}; finished rows are kept")


def put(table: str, name: str, document: Path) -> None:
    """Puts a table between the document's two markers of a name: `<!-- NAME: ... -->` and `<!-- NAME: end -->`.

    Raises:
        ValueError: where the document lacks the markers.
    """
    text = document.read_text(encoding="utf-8")
    parts = re.split(rf"(<!-- {name}: .*? -->)", text)
    if len(parts) != 5 or parts[3] != f"<!-- {name}: end -->":
        raise ValueError(f"{document} holds the markers {parts[1::2]}, expected one that opens {name}, then its end")
    document.write_text(f"{parts[0]}{parts[1]}\n\n{table}\n\n{parts[3]}{parts[4]}", encoding="utf-8")
