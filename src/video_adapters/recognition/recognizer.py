"""From a checkpoint and a video file to class names with probabilities."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from hydra.utils import instantiate
from torch import Tensor

from video_adapters.data.annotations import UNLABELLED, Video
from video_adapters.data.clips.sample import Sampling
from video_adapters.data.clips.transform import TestTransform
from video_adapters.data.dataset import read_views
from video_adapters.data.video.reader import open_video
from video_adapters.data.views import Views
from video_adapters.model.classifier import VideoClassifier, mean_probabilities
from video_adapters.model.finite_weights import NotFinite
from video_adapters.model.hardware import WEIGHTS, fitting_precision, multiplying
from video_adapters.recognition.in_memory import Video as InMemory
from video_adapters.recognition.in_memory import frames_of, is_batch
from video_adapters.recognition.live_reader import Look
from video_adapters.recognition.load import load
from video_adapters.recognition.prediction import Prediction
from video_adapters.recognition.streaming import Stream, StreamSettings
from video_adapters.recognition.timeline import FPS, Timeline, Track, cut, seconds, untracked, window_views
from video_adapters.trust.shared_folder import shared

log = logging.getLogger(__name__)


class Recognizer:
    """A trained network, ready for videos; `Recognizer.from_checkpoint(path)("clip.mp4").top(5)`.

    A video is a file, a folder of frames, uint8 RGB frames in memory as an array or tensor (T, H, W, 3), or a list of
    pictures, each a PIL image or (H, W, 3). A list of videos is a batch.

    Args:
        classifier: (B, T, 3, H, W) uint8 -> logits (B, C), and what probabilities these are.
        class_names: by label.
        sampling, views: which frames and crops of a video are looked at.
        image_size: side of the square frames that the classifier takes, pixels.
        device: where it runs.
        precision: as Lightning names them.
        at_once: most views that go through it together; None: all.
        thresholds: by label, of probabilities from which on a class is named; () where a video has one class.
    """

    def __init__(
        self,
        classifier: VideoClassifier,
        class_names: Sequence[str],
        *,
        sampling: Sampling,
        views: Views,
        image_size: int,
        device: torch.device,
        precision: str = "32-true",
        at_once: int | None = None,
        thresholds: Sequence[float] = (),
    ) -> None:
        self.class_names = tuple(class_names)
        self.thresholds = tuple(thresholds)
        self.sampling = sampling
        self.views = views
        self.transform = TestTransform(image_size, resize=views.short_side(image_size), crops=views.crops)
        self.device = device
        self.at_once = at_once
        self.precision = precision
        self.classifier = classifier.to(device, WEIGHTS.get(precision)).eval()

    @classmethod
    def from_checkpoint(
        cls, path: str | Path, weights: str | Path | None = None, device: str = "auto", views: str | None = None
    ) -> "Recognizer":
        """Rebuilds the model of a checkpoint, with the sampling, the test views and the precision of its own config.

        Args:
            path: such as RUN/checkpoints/best.ckpt.
            weights: where the frozen encoder's file is; None: where the checkpoint remembers it.
            device: auto, cpu or cuda; auto is a GPU where there is one.
            views: another test protocol, by its name in `configs/views`: ssv2, k400, k700, single, ...

        Raises:
            ValueError: for a missing or foreign checkpoint, weights that are not there or not its own, no such device.
        """
        chosen = chosen_device(device)
        classifier, cfg, class_names, _, thresholds = load(path, weights, views)
        return cls(
            classifier,
            class_names,
            thresholds=thresholds,
            sampling=instantiate(cfg.data.sampling, _convert_="all")(num_frames=cfg.data.num_frames),
            views=instantiate(cfg.data.test_views, _convert_="all"),
            image_size=cfg.data.image_size,
            device=chosen,
            precision=fitting_precision(str(cfg.trainer.precision), "gpu" if chosen.type == "cuda" else "cpu"),
            at_once=cfg.batch.per_device,
        )

    @classmethod
    def from_pretrained(
        cls, source: str | Path, weights: str | Path | None = None, device: str = "auto", views: str | None = None
    ) -> "Recognizer":
        """Rebuilds a shared model: a folder, or `user/name` on the Hugging Face hub, from where it is fetched once.

        The other arguments are those of `from_checkpoint`.

        Raises:
            ValueError: there is no such folder or repository; and as `from_checkpoint`.
        """
        return cls.from_checkpoint(shared(source), weights, device, views)

    @overload
    def __call__(self, video: list[str] | list[Path] | list[list[Any]]) -> list[Prediction]: ...

    @overload
    def __call__(self, video: InMemory) -> Prediction: ...

    def __call__(self, video: Any) -> Any:
        """Recognises a video as a whole; of a list of videos each, in their order.

        Raises:
            DecodeError: a file cannot be read, of a list the first that cannot; `find_videos` tells files apart.
            ValueError: for what is no video.
        """
        if is_batch(video):
            return [one for group in self._groups(video) for one in self._recognised(group)]
        return self._recognised([video])[0]

    def features(self, video: Any) -> np.ndarray:
        """What the backbone makes of a video, frame by frame: (V, T, D) float32; of a list of N, (N, V, T, D).

        V views as in the test, one frame feature of width D for each of T frames (of T / tubelet time tokens where the
        encoder merges frames). AIM's head takes the mean over T; a mean over V and T is a vector for a whole video.

        Raises:
            DecodeError, ValueError: as `__call__`.
        """
        groups = self._groups(video) if is_batch(video) else [[video]]
        parts = [self._features(torch.stack([self._views(v)[0] for v in group])) for group in groups]
        return np.concatenate(parts) if is_batch(video) else parts[0][0]

    def _groups(self, videos: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """A list of videos in parts that go through the network together."""
        if not videos:
            raise ValueError("no video was given: the list is empty")
        size = max(1, (self.at_once or len(videos)) // len(self.views))
        yield from (videos[start : start + size] for start in range(0, len(videos), size))

    def _recognised(self, videos: Sequence[Any]) -> list[Prediction]:
        views, remarks = zip(*map(self._views, videos), strict=True)
        chances = self.probabilities(torch.stack(views))
        return [Prediction(self.class_names, *pair, self.thresholds) for pair in zip(chances, remarks, strict=True)]

    def _views(self, video: Any) -> tuple[Tensor, tuple[str, ...]]:
        """The test views of a video, (V, T, 3, S, S) uint8, and what is odd about it."""
        file = isinstance(video, str | Path)
        with open_video(Video(str(video), UNLABELLED)) if file else nullcontext(frames_of(video)) as span:
            return read_views(span, self.sampling, self.transform, self.views.clips), span.quality

    def timeline(
        self,
        video: str | Path,
        window: float,
        stride: float,
        fps: float = FPS,
        track: Track = untracked,
        earlier: Sequence[np.ndarray] = (),
        note: Callable[[Timeline], None] = lambda part: None,
    ) -> Timeline:
        """Recognises each window of a video, sliding from its start to its end; frames are decoded once, and few held.

        Args:
            video: a file or a folder of frames.
            window: length, seconds.
            stride: from one window's start to the next's, seconds.
            fps: frames per second of a folder of images; files know when their frames are shown.
            track: wraps the loop over the windows, to show how far it is.
            earlier: probabilities of the first windows, (n, C) each, from a call that came no further.
            note: is told the windows that come next, as soon as they are known.

        Raises:
            DecodeError: it cannot be read.
            ValueError: for times that are no positive number.
        """
        with open_video(Video(str(video), UNLABELLED)) as span:
            windows, scores = tuple(cut(*seconds(span, fps), window, stride)), list[np.ndarray]()
            left = windows[sum(map(len, earlier)) :]
            clips = window_views(span, [w.frames for w in left], self.sampling, self.transform, self.views.clips)
            for chances in chain(earlier, self._in_order(track(clips, len(left)))):
                first = sum(map(len, scores))
                scores.append(chances)
                part = windows[first : first + len(chances)]
                note(Timeline(self.class_names, part, chances, thresholds=self.thresholds))
            return Timeline(self.class_names, windows, np.concatenate(scores), span.quality, self.thresholds)

    def stream(
        self, source: str | Path, *, note: Callable[[str], None] = log.info, look: Look | None = None, **settings: Any
    ) -> Stream:
        """Recognises what a camera, an address, a pipe or a file shows, in real time, until it is over.

            with recognizer.stream("rtsp://camera/1", window=2.0) as stream:
                for update in stream:
                    for event in update.started + update.ended:
                        print(event.class_name, event.start, event.end)

        Args:
            source: `-` (standard input), `/dev/video0`, `camera:NAME`, an address (rtsp, http, https, tcp, udp), a
                file, or a folder of frames. Addresses are opened: take none from a file that others wrote.
            note: is told what becomes of the source, in words, by another thread.
            look: is told every frame, by another thread.
            settings: fields of `StreamSettings`, such as window, stride, enter; a ValueError for impossible ones.
        """
        return Stream(self, str(source), StreamSettings(**settings), note, look)

    def _in_order(self, clips: Iterable[Tensor]) -> Iterator[np.ndarray]:
        """Probabilities of windows, several at once: (V, T, 3, S, S) each -> (n, C)."""
        waiting: list[Tensor] = []
        for views in clips:
            waiting.append(views)
            if len(waiting) * len(views) >= (self.at_once or 1):
                yield self.probabilities(torch.stack(waiting))
                waiting.clear()
        if waiting:
            yield self.probabilities(torch.stack(waiting))

    @torch.inference_mode()
    def probabilities(self, clips: Tensor, of_features: bool = False) -> np.ndarray:
        """Scores of videos, averaged over their views: (B, V, T, 3, S, S) uint8 -> (B, C) float32.

        `of_features`: clips are what the backbone made of them, (B, V, T, ...), which the head alone reads.

        Raises:
            NotFinite: they are no numbers, of which the likeliest would be the first class.
        """
        with multiplying(self.precision, self.device):
            scores: Any = mean_probabilities(
                self.classifier, clips.to(self.device), self.at_once, of_features=of_features
            )
            scores = scores.cpu().numpy()
        if not np.isfinite(scores).all():
            raise NotFinite(f"the scores are no finite numbers in precision {self.precision}, whose range they left")
        return scores

    @torch.inference_mode()
    def _features(self, clips: Tensor) -> np.ndarray:
        """(B, V, T, 3, S, S) uint8 -> (B, V, T, D) float32."""
        backbone: Any = self.classifier.backbone
        views = clips.to(self.device).flatten(0, 1)
        with multiplying(self.precision, self.device):
            features = torch.cat([backbone.features(part).float() for part in views.split(self.at_once or len(views))])
        return features.unflatten(0, clips.shape[:2]).cpu().numpy()


def chosen_device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:1` means.

    Raises:
        ValueError: for another name, and where torch has no such device.
    """
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or not (number.isdecimal() or number == name[len(kind) :]):
        raise ValueError(f"the device is '{name}', expected auto, cpu or cuda")
    if kind == "cuda" and int(number or 0) >= available:
        raise ValueError(f"the device is '{name}', but torch finds {available} CUDA devices here; cpu always works")
    return torch.device(name)
