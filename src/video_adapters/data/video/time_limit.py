"""Time that one process may take for a video before it counts as hanging."""

import os

from video_adapters.data.video.probe_video import size_of

MOST_SECONDS = 600  # for any video, however small
# More for larger ones. A core copies about 60 frames of 1080p a second. At 1 Mbit/s and 30 frames/s, a low rate for
# that size, a frame is 4 kB: 240 frames or 4 s to the MB. Still pictures, at a tenth of that rate, take 40 s.
SECONDS_PER_BYTE = 60e-6
SECONDS_PER_IMAGE = 1.0  # of a folder of frames; a 60th of it will do for 1080p


def most_seconds(path: str) -> float:
    """How long reading or copying a file or a folder of frames may take."""
    share = SECONDS_PER_IMAGE if os.path.isdir(path) else SECONDS_PER_BYTE
    return MOST_SECONDS + share * (size_of(path) or 0)
