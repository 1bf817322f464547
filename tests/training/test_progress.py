"""What a run says on the terminal while it goes."""

from types import SimpleNamespace
from typing import Any

import torch

from video_adapters.training.callbacks.progress import Bar, EpochLines


def trainer(**changes: Any) -> Any:
    """As far as the terminal asks it, in its second epoch."""
    figures = {"train/loss": torch.tensor(1.5), "val/top1": torch.tensor(0.25), "speed/clips_per_s": torch.tensor(41.0)}
    facts = {"max_epochs": 16, "current_epoch": 1, "global_step": 8, "is_global_zero": True}
    return SimpleNamespace(**{**facts, "callback_metrics": figures, **changes})


def test_bar_and_lines_count_epochs_alike_and_say_figures_in_the_same_words(capsys: Any) -> None:
    lines, bar = EpochLines(), Bar()
    module: Any = None
    lines.on_train_start(trainer(), module)
    lines.on_train_epoch_end(trainer(), module)
    assert capsys.readouterr().out.startswith("epoch 2/16  step 8  loss 1.500  val top-1 25.0%  41 clips/s")
    bar._trainer = trainer()
    assert bar._get_train_description(1).strip() == "Epoch 2/16"
    assert bar.get_metrics(trainer(), module) == {"loss": "1.500", "val top-1": "25.0%"}


def test_a_run_without_a_last_epoch_counts_all_the_same() -> None:
    bar = Bar()
    for endless in (None, -1):
        bar._trainer = trainer(max_epochs=endless)
        assert bar._get_train_description(0).strip() == "Epoch 1"
