"""Preprocessing of an exported network, in words and numbers for those who write it anew."""

from typing import Any

from video_adapters.data.clips.sample import Sampling, Segments
from video_adapters.data.views import Views


def preprocessing(sampling: Sampling, views: Views, image_size: int) -> dict[str, Any]:
    """The steps from a video's n frames to its V views, each view a clip of T frames, and from their outputs to one.

    Each step is a sentence `how`, and the numbers in it by name. `//` rounds down.
    """
    return {
        "frames": _segments(sampling) if isinstance(sampling, Segments) else _strided(sampling, views.clips),
        "resize": {
            "short_side": views.short_side(image_size),
            "filter": "bilinear",
            "antialias": True,
            "how": "Each frame is resized, its aspect kept: the shorter side to short_side, the longer one to "
            "short_side * longer // shorter. Bilinear with antialiasing (when it shrinks, the filter is as much "
            "wider), pixel centres at halves, as Pillow's Image.resize(size, BILINEAR); results are rounded to 0 to "
            "255. (OpenCV's bilinear does not antialias.)",
        },
        "crop": _crop(views.crops, image_size),
        "views": {
            "clips": views.clips,
            "crops": views.crops,
            "how": "Clip by clip, and within a clip crop by crop in the order given, each a view: an input of the "
            "network, [T, 3, height, width], RGB, 0 to 255, neither scaled nor normalised. The probabilities of a "
            "video are the mean of those of its views (softmax first or, with several "
            "labels, sigmoid, then the mean).",
        },
    }


def _segments(sampling: Segments) -> dict[str, Any]:
    return {
        "rule": "segments",
        "num_frames": sampling.num_frames,
        "how": "The n frames are counted from 0 in the order in which they are shown, upright as players show them. "
        "With step = (n - 1) / T, bound[i] is step * i rounded to a whole number, halves to the even one, for i = 0 "
        "to T. Frame i of the clip is (bound[i] + bound[i + 1]) // 2, for i = 0 to T - 1, T = num_frames.",
    }


def _strided(sampling: Any, clips: int) -> dict[str, Any]:
    return {
        "rule": "strided",
        "num_frames": sampling.num_frames,
        "stride": sampling.step,
        "clips": clips,
        "how": "The n frames are counted from 0 in the order in which they are shown, upright as players show them. "
        "With share = max(0, n - T * stride + 1) / clips, clip c begins at start = share * c + share / 2, rounded "
        "down, for c = 0 to clips - 1. Its frame i is (start + i * stride) modulo n, for i = 0 to T - 1, "
        "T = num_frames: a video that is too short begins again.",
    }


def _crop(crops: int, image_size: int) -> dict[str, Any]:
    middle = (
        f"Of the resized frame a square of {image_size} pixels, its spare pixels (side - size) halved, rounded down"
    )
    return {
        "size": image_size,
        "crops": crops,
        "how": f"{middle}: left = (width - size) // 2, top = (height - size) // 2."
        if crops == 1
        else f"{middle}, along the shorter axis; along the longer one (the width where both are equal) three squares: "
        "at 0, at spare // 2, and at spare.",
    }
