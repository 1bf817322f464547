"""Start and end of every command: environment, words, errors, signals."""

import argparse
import atexit
import gc
import logging
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from dotenv import load_dotenv
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, HydraException
from omegaconf.errors import OmegaConfBaseException

from video_adapters.commands.config import PROJECT, explain, is_sweep, null_choice
from video_adapters.commands.errors import SharedError, explained
from video_adapters.commands.grammar import for_hydra
from video_adapters.commands.outputs import remove_unused
from video_adapters.commands.signals import Interrupted, stoppable
from video_adapters.commands.wording import printable

FULL_ERROR = "HYDRA_FULL_ERROR"
"""Hydra's variable, under which it raises what it otherwise prints."""
DASHED_KEY = re.compile(
    r"--(?!(help|hydra-help|version|cfg|resolve|package|run|multirun|shell-completion|config-(path|name|dir)"
    r"|experimental-rerun|info)(=|$))\w"
)
"""What begins as an option and is none of Hydra's."""

_composing = False
Result = TypeVar("Result")


def set_up() -> None:
    """Prepares a command: its environment, and imports without garbage collection, which comes back in `run`.

    Looking through hundreds of thousands of objects that all stay, again and again, the collector takes a quarter of
    the time that torch and Lightning need to be imported: 2.6 of 10.8 s of a core.
    """
    sys.excepthook = _told
    read_environment()
    gc.disable()
    atexit.register(gc.freeze)  # nothing is left to be looked through at the interpreter's end


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints what ends a command; of a Ctrl-C amid the imports, ahead of `stoppable`, a word."""
    if issubclass(kind, KeyboardInterrupt):
        print("\nstopped", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def start(main: Callable[[], object], config: str, opened: bool = False) -> None:
    """Calls a command that Hydra composes `configs/CONFIG.yaml` for, once its words are such as Hydra takes.

    Args:
        main: what `hydra.main` made.
        config: its name, and that of the script.
        opened: keys may be those of a checkpoint's config, beside Hydra's.

    Raises:
        SystemExit: nothing can be composed of the words, with what was probably meant.
    """
    for word in sys.argv[1:]:
        if DASHED_KEY.match(word):  # Hydra would take --experiment for its --experimental-rerun
            raise SystemExit(f"there is no option {word}; keys have no dashes: KEY=VALUE, as {config}.py --help shows")
    sys.argv[1:] = for_hydra(sys.argv[1:], opened)
    if message := null_choice(sys.argv[1:]):
        raise SystemExit(message)
    global _composing
    if FULL_ERROR not in os.environ:
        os.environ[FULL_ERROR], _composing = "1", True
    try:
        main()
    except (HydraException, OmegaConfBaseException) as error:
        if not _composing:
            raise
        raise SystemExit(explain(error, config, sys.argv[1:])) from None


def read_environment() -> None:
    """Reads `.env`, of the current folder or else the project's.

    To be called before Hydra composes, since the configs name DATA_DIR, LOG_DIR, FEATURES_DIR and WANDB_PROJECT, and
    before torch is imported, since its threads are told to sleep while they wait: spinning, they take the cores from
    the decoders.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    load_dotenv(".env") or load_dotenv(PROJECT / ".env")
    for name in ("DATA_DIR", "LOG_DIR", "FEATURES_DIR"):
        if name in os.environ:
            os.environ[name] = os.path.expanduser(os.environ[name])


def path(text: str) -> Path:
    """A path of the command line, for argparse."""
    if not text:  # as a variable of the shell that is not set
        raise argparse.ArgumentTypeError("it is empty, expected a name")
    return Path(text).expanduser()


def expect_key_for_file(key: str) -> None:
    """Says how a file is given where the command line names one as most commands take it, which Hydra's does not."""
    for word in sys.argv[1:]:
        if "=" not in word and Path(word).expanduser().is_file():
            raise SystemExit(f"{word} has to be given as {key}={shlex.quote(word)}")


def command_line() -> list[str]:
    """What the command line changes in the config, as it was typed."""
    return list(HydraConfig.get().overrides.task)


def run(job: Callable[[], Result]) -> Result:
    """Runs a command's job: mistakes of its user end in one message, signals in the hint how to go on."""
    gc.enable()
    _end_composing()
    logging.captureWarnings(True)
    logging.setLogRecordFactory(_shown)
    _quiet()
    try:
        with stoppable(), explained(), _no_unused_folder():
            return job()
    except CompactHydraException as error:  # what the user can mend
        if isinstance(error.__cause__, SharedError):
            _leave_to_the_first_process()
        if is_sweep() or FULL_ERROR in os.environ:
            raise
        raise SystemExit(str(error)) from None  # Hydra would print the overrides before, and advice after
    except Interrupted as stop:
        _leave_to_the_first_process()
        print("", stop, *getattr(stop, "__notes__", []), sep="\n", file=sys.stderr, flush=True)
        raise SystemExit(stop.code) from None


def _leave_to_the_first_process() -> None:
    """Ends any other process: a failing child would have the first one killed before it has finished."""
    if os.environ.get("LOCAL_RANK", "0") != "0":
        raise SystemExit(0) from None


@contextmanager
def _no_unused_folder() -> Iterator[None]:
    """Hydra makes a run's folder before the run has begun: it goes where that never happens."""
    try:
        yield
    except BaseException:
        if HydraConfig.initialized() and not is_sweep():  # a sweep's folders say what failed
            remove_unused(Path(HydraConfig.get().runtime.output_dir))
        raise


def _shown(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A line of the log, whatever names of files are in it."""
    record = logging.LogRecord(*args, **kwargs)
    with suppress(TypeError, ValueError):  # of a library's message that does not fit its arguments
        record.msg, record.args = printable(record.getMessage(), keep="\n\t"), ()
    return record


def _end_composing() -> None:
    """From here on Hydra prints what a job raises, as it does by itself."""
    global _composing
    if _composing:
        del os.environ[FULL_ERROR]
        _composing = False


QUIETED = (
    # Lightning advises more workers by the number of cores; ours is set in the data configs
    (".*does not have many workers", r"lightning\."),
    # the frozen encoder stays in evaluation mode where its library left it so
    (".*in eval mode at the start of training", r"lightning\."),
    # scores are summed over the processes before they are logged
    (".*It is recommended to use `self.log.*sync_dist=True", r"lightning\."),
    # short runs log more often by themselves (training/schedule.py), and over epochs, which Lightning does not see
    ("The number of training batches .* is smaller than the logging interval", r"lightning\."),
    # the best checkpoint's folder holds last.ckpt already when a run goes on
    (".*Checkpoint directory .* exists and is not empty", r"lightning\."),
    # Lightning 2.6 asks torch's tree utilities in a way that newer ones deprecate
    (".*isinstance.treespec, LeafSpec.. is deprecated", r"(lightning|torch)\."),
    # fp16's first steps are often skipped, until its scale fits: the schedule has then moved on without them
    (r"Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`", r"(lightning|torch)\."),
)
"""What libraries say on every run without anything for the user to do: the message, and the module that says it."""


def _quiet() -> None:
    """Silences what is in `QUIETED`. A command does; who imports the package is told everything."""
    for message, module in QUIETED:
        warnings.filterwarnings("ignore", message=message, module=module)
    for name in ("lightning.pytorch.utilities.rank_zero", "timm"):
        logging.getLogger(name).setLevel(logging.WARNING)
