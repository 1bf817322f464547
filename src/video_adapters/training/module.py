"""The training step and the evaluation step."""

import logging
from dataclasses import replace
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from video_adapters.data.dataset import Batch
from video_adapters.model.checkpoint import (
    PREFIX,
    Origin,
    check_same_classes,
    check_same_model,
    load_trained,
    thresholds_for,
)
from video_adapters.model.classifier import VideoClassifier, mean_probabilities
from video_adapters.model.execution import without_autocast
from video_adapters.model.finite_weights import NotFinite, refuse_not_finite
from video_adapters.training.callbacks.finite import suggestion
from video_adapters.training.loss import OneLabelLoss, SeveralLabelsLoss
from video_adapters.training.multi_scores import MultiScores
from video_adapters.training.optim import AdamW
from video_adapters.training.schedule import WarmupCosine, log_interval, renew, total_steps
from video_adapters.training.scores import Scores, hits

log = logging.getLogger(__name__)


class ActionModule(L.LightningModule):
    """Trains and scores a video classifier.

    Logged: train/{loss,top1,gradient_norm} per optimizer step, over all its clips, the norm ahead of clipping;
    {val,test}/{top1,top5,mean_class,loss}, accuracies as fractions, and the ends of top1's 95 % interval,
    {val,test}/{top1_low,top1_high}. With several labels per video {val,test}/mAP stands in the place of accuracies, and
    every validation chooses the thresholds that are saved next.
    """

    # What is frozen is not in the checkpoints; `on_load_checkpoint` compares what is, name by name.
    strict_loading = False

    def __init__(
        self,
        classifier: VideoClassifier,
        *,
        optim: AdamW,
        schedule: WarmupCosine,
        origin: Origin,
        loss: OneLabelLoss | SeveralLabelsLoss,
        most_views: int | None = None,
    ) -> None:
        super().__init__()
        self.classifier = classifier  # what of it trains was decided when it was built
        self.optim = optim
        self.schedule = schedule
        self.loss = loss
        self.most_views = most_views  # that go through the network at once when videos are scored; None: all of a batch
        self.origin = origin  # what a checkpoint has to say about where it comes from
        self.reads_features = False  # whether the clips of batches are stored features, which the head alone reads
        self.tested_as = "test"  # the name of the test's figures, see VideoData.tested_as
        num_classes = classifier.head.linear.out_features
        self.several = isinstance(loss, SeveralLabelsLoss)  # classes of a video
        self.scores = torch.nn.ModuleDict(
            {
                split: MultiScores(loss.label_sets) if isinstance(loss, SeveralLabelsLoss) else Scores(num_classes)
                for split in ("val", "test")
            }
        )
        self.rate = 0.0  # of the head, at the running optimizer step
        self.step_loss = self.gradient_norm = torch.tensor(0.0)  # of the last one, over all devices
        self._step_sums = torch.zeros(2)  # loss and correct clips of the running optimizer step, as shares of it
        self._step_top1 = torch.tensor(0.0)

    @property
    def _network(self) -> torch.nn.Module:
        """What turns the clips of a batch into scores."""
        return self.classifier.head if self.reads_features else self.classifier

    def on_train_start(self) -> None:
        """A state that was loaded brought its rates along; the config, which may have changed, has the last word."""
        schedule: Any = self.lr_schedulers()
        self.optim.renew(schedule.optimizer, self.classifier)
        renew(schedule)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        # read here: the schedule has moved on when the step's figures are logged
        self.rate = self.trainer.optimizers[0].param_groups[-1]["lr"]
        stored = {} if batch.tokens is None else {"tokens": batch.tokens[:, 0]}
        logits = self._network(batch.clips[:, 0], batch.weights, **stored)
        with without_autocast(logits):
            losses = self.loss(logits.float(), batch.labels)
            loss = (torch.where(batch.weights > 0, losses, 0) * batch.weights).sum()
        first = torch.zeros_like(losses) if self.several else hits(logits, batch.labels, 1)[:, 0]
        correct = (first * batch.weights).sum()
        self._step_sums = self._step_sums.to(loss.device) + torch.stack([loss, correct]).detach()
        # Weights already make the step's loss a mean; undo the means that DDP and accumulation would take of it.
        return loss * self.trainer.world_size * self.trainer.accumulate_grad_batches

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        self.gradient_norm = get_total_norm(p.grad for p in parameters if p.grad is not None)
        self.step_loss, self._step_top1 = self._over_devices(self._step_sums)
        self._step_sums = torch.zeros_like(self._step_sums)
        self.classifier.head.end_step(self._of_all_devices)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if not self.step_finished():
            return
        self.log("train/loss", self.step_loss, prog_bar=True)
        if not self.several:
            self.log("train/top1", self._step_top1)
        self.log("train/lr", self.rate)
        self.log("train/gradient_norm", self.gradient_norm)

    def _over_devices(self, sums: Tensor) -> Tensor:
        total: Any = self.trainer.strategy.reduce(sums, reduce_op="sum")
        return total

    def _of_all_devices(self, own: Tensor) -> Tensor:
        """Each device's tensor, on every device: (...) -> (devices, ...)."""
        gathered: Any = self.trainer.strategy.all_gather(own)
        return gathered.view(-1, *own.shape)

    def step_finished(self) -> bool:
        """Whether the batch just trained on was the last of its optimizer step."""
        return not self.trainer.fit_loop._should_accumulate()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._score("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the videos' probabilities, (B, num_classes)."""
        return self._score("test", batch)

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def probabilities(self, clips: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Scores of videos: probabilities of each view, then their mean: (B, V, T, 3, H, W) -> (B, num_classes)."""
        return mean_probabilities(self.classifier, clips, self.most_views, tokens, self.reads_features)

    def configure_optimizers(self) -> Any:
        optimizer = self.optim.build(self.classifier)
        per_epoch = self._steps_per_epoch()
        steps = total_steps(self.trainer.max_epochs, self.trainer.max_steps, per_epoch)
        trainer: Any = self.trainer
        trainer.log_every_n_steps = log_interval(trainer.log_every_n_steps, steps)
        schedule = self.schedule.build(optimizer, steps, per_epoch)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _steps_per_epoch(self) -> int:
        """Optimizer steps per epoch, counted without the loaders.

        Lightning's own estimate makes them before a checkpoint is restored, and then forgets to restore their place.
        """
        trainer: Any = self.trainer
        batches = trainer.datamodule.batches_per_epoch(trainer.world_size)
        return -(-batches // trainer.accumulate_grad_batches)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        learned = {f"{PREFIX}{name}" for name in self.classifier.learned()}
        state = {name: value for name, value in checkpoint["state_dict"].items() if name in learned}
        refuse_not_finite(state, f"after step {self.trainer.global_step}, not saved")
        checkpoint["state_dict"] = state
        checkpoint["origin"] = self.origin.as_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        refuse_not_finite(checkpoint["state_dict"], "the checkpoint")
        check_same_model(self.classifier, self.origin, checkpoint)
        check_same_classes(self.origin, checkpoint, "the data set", ordered=True)
        self._take_thresholds(checkpoint)
        for state in checkpoint.get("optimizer_states", []):
            self.optim.check(self.classifier, state["param_groups"])

    def load_trained(self, content: dict[str, Any]) -> None:
        """Fills what trains from a checkpoint of the same model, and takes its thresholds over.

        Raises:
            ValueError: naming the difference, if it is of another one.
        """
        load_trained(self.classifier, self.origin, content)
        self._take_thresholds(content)

    def _take_thresholds(self, content: dict[str, Any]) -> None:
        self.origin = replace(self.origin, thresholds=thresholds_for(self.origin, content))

    def _score(self, split: Literal["val", "test"], batch: Batch) -> Tensor:
        probabilities = self.probabilities(batch.clips, batch.tokens)
        own = batch.weights > 0  # the others only fill the batch up
        if own.any():
            scores: Any = self.scores[split]
            scores.update(probabilities[own], batch.labels[own], batch.readable[own])
        return probabilities

    def _log_scores(self, split: Literal["val", "test"]) -> None:
        metric: Any = self.scores[split]
        values = metric.compute()
        metric.reset()
        self._check_scores(split, int(values["not_finite"]), int(values["videos"] - values["unreadable"]))
        if self.several and split == "val":
            self.origin = replace(self.origin, thresholds=tuple(values["thresholds"].tolist()))
        for name in (name for name in values if name not in ("not_finite", "thresholds")):
            self.log(
                f"{self.tested_as if split == 'test' else split}/{name}",
                values[name].float(),
                prog_bar=name in ("top1", "mAP"),
                rank_zero_only=True,
            )

    def _check_scores(self, split: str, count: int, read: int) -> None:
        """Names videos whose scores are not finite, and refuses to call it an accuracy where all are such."""
        if not count:
            return
        precision = str(self.trainer.precision)
        message = (
            f"{count} of {read} videos of {split} got scores that are not finite numbers, in precision {precision}"
        )
        if count == read:
            raise NotFinite(f"{message}. {suggestion(precision)}")
        log.warning("%s; they count as wrong", message)
