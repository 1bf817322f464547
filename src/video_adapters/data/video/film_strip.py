"""A video in one picture."""

import numpy as np
from PIL import Image

from video_adapters.data.annotations import Video
from video_adapters.data.video.reader import open_video


def film_strip(video: Video, num_frames: int = 8, height: int = 96) -> np.ndarray:
    """Frames at even distances, first and last among them, side by side: (height, W, 3) uint8 RGB.

    Of a shorter video, all its frames.

    Raises:
        DecodeError: the video cannot be read.
    """
    with open_video(video) as span:
        count = min(num_frames, span.num_frames)
        frames = span.read(np.linspace(0, span.num_frames - 1, count).round().astype(int).tolist())
    width = max(1, round(frames.shape[2] * height / frames.shape[1]))
    return np.concatenate([np.asarray(Image.fromarray(frame).resize((width, height))) for frame in frames], axis=1)
