"""Frames of a video as the network sees them, and where in each it looks."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from video_adapters.data.annotations import UNLABELLED, Video
from video_adapters.data.video.reader import open_video
from video_adapters.model.attention_maps import enlarged, looked_at
from video_adapters.model.attention_weights import attention
from video_adapters.model.backbone import Backbone
from video_adapters.model.hardware import multiplying
from video_adapters.recognition.recognizer import Recognizer
from video_adapters.recognition.timeline import seconds


class Attended(NamedTuple):
    """The frames of one view of a video."""

    times: tuple[float, ...]  # seconds since the first frame of the video
    frames: np.ndarray  # (T, S, S, 3) uint8
    maps: np.ndarray  # (T, S, S) float32: attention to each place, 1 where evenly spread over its frame
    block: int  # whose attention it is
    beside: bool  # whether another network than the encoder has the last word


def attended_frames(recognizer: Recognizer, video: str | Path) -> Attended:
    """What the last block that attends within frames looks at, in the middle one of a video's views.

    Raises:
        DecodeError: the video cannot be read.
        ValueError: the network's attention cannot be seen, with the reason.
    """
    backbone = getattr(recognizer.classifier, "backbone", None)
    if not isinstance(backbone, Backbone):
        raise ValueError("the network has no encoder whose attention could be seen")
    clip, times = _middle_view(recognizer, video)
    with multiplying(recognizer.precision, recognizer.device):
        blocks = attention(backbone, clip)
    seen = [number for number, block in enumerate(blocks) if block.space is not None]
    if not seen:
        raise ValueError("its encoder attends by kernels of its own, whose weights cannot be seen")
    maps = enlarged(looked_at(backbone, seen[-1], blocks[seen[-1]]), backbone.encoder.image_size)
    maps = maps.repeat_interleave(len(clip) // len(maps), 0)  # the frames of a tubelet share a map
    frames = clip.permute(0, 2, 3, 1).numpy()
    return Attended(times, frames, maps.cpu().numpy(), seen[-1], backbone.side is not None)


@torch.inference_mode()
def _middle_view(recognizer: Recognizer, video: str | Path) -> tuple[Tensor, tuple[float, ...]]:
    """(T, 3, S, S) uint8, and when its frames are shown."""
    with open_video(Video(str(video), UNLABELLED)) as span:
        clips = recognizer.sampling.test(span.num_frames, recognizer.views.clips)
        indices = clips[len(clips) // 2]
        crops = recognizer.transform(span.read(indices))
        times, _ = seconds(span)
    return crops[len(crops) // 2], tuple(float(times[index]) for index in indices)
