"""The task's facts (num_frames, image_size, num_classes, sampling, views) and the loaders that follow from them."""

import logging
import os
from collections.abc import Callable, Sequence
from functools import cached_property

import lightning as L
import numpy as np
from torch.utils.data import Dataset

from video_adapters.data import selection
from video_adapters.data.annotations import Annotations, Videos
from video_adapters.data.annotations.held_out import stratified
from video_adapters.data.annotations.label_sets import Labels, expect_labels, expected_sets, strata
from video_adapters.data.annotations.prepared import in_copy
from video_adapters.data.balanced import BalancedDraws
from video_adapters.data.clips.sample import Sampling
from video_adapters.data.clips.transform import TestTransform, TrainTransform
from video_adapters.data.config_numbers import expect, expect_at_least_1, expect_counts
from video_adapters.data.dataset import Sample, TestClips, TrainClips, collate
from video_adapters.data.loader import ResumableLoader
from video_adapters.data.sampler import Split, StepSampler, split_step
from video_adapters.data.shared_memory import Need, check_room
from video_adapters.data.views import Views

log = logging.getLogger(__name__)


class VideoData(L.LightningDataModule):
    """One data set, from its annotation files to batches.

    Args:
        root: folder of the data set.
        annotations: reader of the data set's own files, to be called with `root`.
        num_frames: T, frames per clip.
        image_size: side of the square frames the encoder gets, in pixels.
        num_classes: size of the head; must agree with the annotation files.
        labels: "one" class per video, or "multi": any number of them.
        balanced: draws training videos so that every class has the same share, see `BalancedDraws`; an epoch has as
            many clips all the same.
        sampling: which frames make a clip; to be called with `num_frames`.
        train_transform: augmentation of a training clip; to be called with `image_size`.
        val_views, test_views: what is scored after each epoch, and at the end.
        train_split, val_split, test_split: the annotation's splits used for each (SSv2's test labels are not public, so
            papers test on its validation videos). A test_split of None is "test" where the data set has one, else that
            of validation, and figures say so: see `tested_as`.
        num_workers: processes that decode, per device.
        timeout: seconds without a batch after which a run ends instead of waiting on.
        per_step, per_device: clips per optimizer step over all devices, and most clips per device and forward pass.
        max_broken: share of the training videos that may be unreadable before the run stops.
        max_videos: takes only so many videos of each split (debugging); None takes all.
        fraction: share of each class's training videos that is used; the same ones whatever the seed, and those of a
            smaller share are among those of a larger one.
        report: file of `python src/prepare.py check`; the videos that it lists as broken or missing are left out of
            training. Evaluation counts them as wrong all the same, unless `reports["test"]` names a report too.
        strict: takes videos whose frames change their size, and folders with images that are no frames, for broken;
            else frames are resized to their video's first one's, which is counted, and such images left out.
        steps_per_epoch: optimizer steps between validations, the videos gone through as often as that takes;
            None: an epoch is once through them.
        seed: of order, sampling and augmentation.
        tubelet: frames that the encoder merges into one time token (Swin); 1 for image encoders as they are.

    Raises:
        ValueError: for impossible numbers, labels that contradict num_classes, and missing data.
    """

    def __init__(
        self,
        *,
        root: str,
        annotations: Callable[..., Annotations],
        num_frames: int,
        image_size: int,
        num_classes: int,
        sampling: Callable[..., Sampling],
        train_transform: Callable[..., TrainTransform],
        val_views: Views,
        test_views: Views,
        per_step: int,
        per_device: int,
        train_split: str = "train",
        val_split: str = "val",
        test_split: str | None = None,
        num_workers: int = 4,
        timeout: float = 1800,
        max_broken: float = 0.01,
        max_videos: int | None = None,
        fraction: float = 1.0,
        report: str | None = None,
        strict: bool = False,
        steps_per_epoch: int | None = None,
        seed: int = 0,
        tubelet: int = 1,
        labels: Labels = "one",
        balanced: bool = False,
    ) -> None:
        super().__init__()
        expect_counts({
            "data.num_frames": num_frames, "data.tubelet": tubelet, "data.image_size": image_size,
            "data.num_classes": num_classes, "batch.per_step": per_step, "batch.per_device": per_device,
        })  # fmt: skip
        expect(not num_frames % tubelet, "data.num_frames", num_frames, f"a multiple of data.tubelet={tubelet}")
        expect_at_least_1({"data.max_videos": max_videos, "batch.steps_per_epoch": steps_per_epoch})
        expect(num_workers >= 0, "data.num_workers", num_workers, "at least 0")
        expect(timeout > 0, "data.timeout", timeout, "seconds, above 0")
        expect(0 <= max_broken <= 1, "data.max_broken", max_broken, "a share from 0 to 1")
        expect(0 < fraction <= 1, "data.fraction", fraction, "a share above 0, and at most 1")
        expect_labels(labels)
        self.root, self.labels, self.balanced = os.path.expanduser(root), labels, balanced
        self.annotations = annotations(root=self.root)
        self.num_frames, self.image_size, self.num_classes = num_frames, image_size, num_classes
        self.sampling = sampling(num_frames=num_frames)
        self._train_transform = train_transform(image_size=image_size)
        self.views = {"val": val_views, "test": test_views}
        self._transforms = {use: self._transform(use, views) for use, views in self.views.items()}
        self._splits = train_split, val_split, test_split
        self.per_step, self.per_device = per_step, per_device
        self.steps_per_epoch, self.seed = steps_per_epoch, seed
        self.max_broken, self.max_videos, self.fraction, self.strict = max_broken, max_videos, fraction, strict
        self.num_workers, self.timeout = num_workers, timeout
        self.reports: dict[str, str | None] = {"train": report}
        self.left_out: dict[str, int] = {}
        self.missing: dict[str, list[str]] = {}
        self._videos: dict[str, Videos] = {}
        self.sources: dict[str, Dataset[Sample]] = {}  # by use, what samples are read from in place of videos
        self.token_bytes = 0  # of a view, where samples of `sources` have pixels, to be decoded, and stored tokens

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, by label; their numbers where the data set gives no names."""
        return self.annotations.class_names or tuple(str(label) for label in range(self.num_classes))

    @cached_property
    def label_sets(self) -> np.ndarray | None:
        """The classes of each label, (K, C) bool, where a video may have several; None where labels are classes.

        Raises:
            ValueError: the data set's own files say otherwise than `labels`.
        """
        return expected_sets(
            self.annotations.label_sets, self.labels, f"{type(self.annotations).__name__} in {self.root}"
        )

    def expect_one_label(self, what: str) -> None:
        """Refuses what has no sense where a video may have several classes, with a ValueError."""
        if self.labels == "multi":
            raise ValueError(f"{what} tells classes that exclude each other apart, and data.labels is multi")

    @cached_property
    def train_transform(self) -> TrainTransform:
        """The augmentation of a training clip, classes that flips change by their label."""
        transform = self._train_transform.numbered(self.class_names)
        if self.labels == "multi" and transform.flip_pairs:
            raise ValueError(
                "data.train_transform.flip_pairs turns one class into another, and data.labels=multi has several: give "
                "data.train_transform.flip=0 data.train_transform.flip_pairs=[]"
            )
        return transform

    @cached_property
    def splits(self) -> dict[str, str]:
        """The annotation's split for each use; asked for when the data set is there."""
        train, val, test = self._splits
        return {"train": train, "val": val, "test": selection.split_of_test(self.annotations, test, val)}

    def tested_as(self, chosen: bool = True) -> str:
        """What figures of a test are called: "test" of videos that had no part in the training, else what part it was;
        `chosen` says whether validation chose the weights.
        """
        uses = ("train", "val") if chosen else ("train",)
        return next((f"{use}_as_test" for use in uses if self.splits["test"] == self.splits[use]), "test")

    def prepare_data(self) -> None:
        """Lets the data set make itself ready, once per machine (moving_shapes renders here)."""
        self.annotations.prepare()

    def videos(self, use: str) -> Videos:
        """The videos that serve `use` (train, val or test), checked against num_classes and the disk, read once.

        Missing files are counted in `self.missing`. In training they are left out, since no clip can be had of them; in
        evaluation they stay, and count as wrong. What a report has left out is counted in `self.left_out`.
        """
        if use not in self._videos:
            listed, split = in_copy(self.root, self.annotations.videos(self.splits[use])), self.splits[use]
            videos = selection.evenly(listed, self.max_videos)
            if use == "train" and self.fraction < 1:
                videos = videos.select(stratified(strata(videos.labels, self.label_sets), self.fraction))
            selection.check_labels(videos, use, split, self.annotations, self.root, self.num_classes, self.label_sets)
            if use == "train":
                selection.name_small_copy(self.root, self.image_size)
                selection.name_empty_classes(listed, split, self.class_names, self.label_sets)
            if (report := self.reports.get(use)) is not None:
                kept = selection.readable(videos, split, report, self.root)
                self.left_out[use] = len(videos) - len(kept)
                videos = kept
            missing = set(self.annotations.missing(videos))
            self.missing[use] = sorted(missing)
            if missing:
                fate = "left out" if use == "train" else "scored as wrong"
                log.warning(
                    "%s: %d of %d videos are missing and %s, such as %s",
                    split, len(missing), len(videos), fate, self.missing[use][0],
                )  # fmt: skip
            keep = [i for i, video in enumerate(videos) if video.path not in missing] if use == "train" else None
            self._videos[use] = videos if not missing or keep is None else videos.select(keep)
        return self._videos[use]

    def groups(self, use: str) -> tuple[str, ...] | None:
        """The group of each of `videos(use)`, such as a person; None where the data set names none."""
        split = self.splits[use]
        if (groups := self.annotations.groups(split)) is None:
            return None
        listed = in_copy(self.root, self.annotations.videos(split))
        group_of = dict(zip(listed, groups, strict=True))
        return tuple(group_of[video] for video in self.videos(use))

    def split_for(self, devices: int) -> Split:
        """Clips per forward pass and passes per step, on so many devices."""
        return split_step(self.per_step, self.per_device, devices)

    def batches_per_epoch(self, devices: int) -> int:
        """Training batches that each of so many devices gets in an epoch."""
        videos, split = self.videos("train"), self.split_for(devices)
        return len(StepSampler(len(videos), split, world_size=devices, steps=self.steps_per_epoch))

    def train_clips(self) -> TrainClips:
        """Random clips of the training videos."""
        return TrainClips(self.videos("train"), self.sampling, self.train_transform, self.seed, self.strict)

    def test_clips(self, use: str, views: Views | None = None) -> TestClips:
        """The fixed views of the videos that serve `use`: those of its protocol, or others."""
        transform = self._transforms[use] if views is None else self._transform(use, views)
        num_clips = (views or self.views[use]).clips
        return TestClips(self.videos(use), self.sampling, transform, num_clips, self.strict)

    def train_dataloader(self) -> ResumableLoader:
        return self._loader("train", self.split_for(self._world_size()))

    def val_dataloader(self) -> ResumableLoader:
        return self._loader("val", self._test_split("val"))

    def test_dataloader(self) -> ResumableLoader:
        return self._loader("test", self._test_split("test"))

    def check_room(self, uses: Sequence[str], devices: int, processes: int, amid_epoch: bool = False) -> None:
        """Refuses to load for `uses` where batches could be lost on their way, on so many devices over all machines and
        processes on this one. Validation `amid_epoch` finds the batches there that are made ahead for training.
        """
        if self.sources.keys() >= {*uses} and not self.token_bytes:
            return
        clips = max(
            self.split_for(devices).clips if use == "train" else self._test_split(use).clips * len(self.views[use])
            for use in uses
        )
        batch = clips * max(self.num_frames * 3 * self.image_size**2, self.token_bytes)
        check_room(Need(batch, self.num_workers, processes, 2 if amid_epoch else 1))

    def _test_split(self, use: str) -> Split:
        return Split(max(1, self.per_device // len(self.views[use])), 1)

    def _transform(self, use: str, views: Views) -> TestTransform:
        """The crops of a test protocol, once that is known to go together with the clips' sampling and size."""
        try:
            self.sampling.test(self.num_frames, views.clips)
            return TestTransform(self.image_size, resize=views.short_side(self.image_size), crops=views.crops)
        except ValueError as error:
            raise ValueError(f"data.{use}_views of {views.described()}: {error}") from error

    def _loader(self, use: str, split: Split) -> ResumableLoader:
        trains, labels = use == "train", self.videos(use).labels
        draws = BalancedDraws(labels, self.label_sets, self.seed) if trains and self.balanced else None
        keys = StepSampler(
            len(labels),
            split,
            world_size=self._world_size(),
            rank=self.trainer.global_rank if self.trainer else 0,
            seed=self.seed,
            shuffle=trains,
            steps=self.steps_per_epoch if trains else None,
            draws=draws,
        )
        read = use in self.sources and not self.token_bytes
        num_workers = 0 if read else self.num_workers  # what is read from memory needs nobody's help
        clips = self.train_clips() if trains else self.test_clips(use)
        return ResumableLoader(
            self.sources.get(use, clips),
            batch_sampler=keys,
            collate_fn=collate,
            num_workers=num_workers,
            timeout=self.timeout,
            persistent_workers=num_workers > 0,
        )

    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1
