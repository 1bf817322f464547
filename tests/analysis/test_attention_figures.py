"""What is made of several clips."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from torch import Tensor

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.measures.contribution import contributions
from video_adapters.analysis.questions import attended as attention_figures
from video_adapters.data.video.frame_source import DecodeError

from helpers.small_backbones import backbone, clip


def test_clips_that_cannot_be_read_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def clip_of(data: object, video: str) -> Tensor:
        if video == "gone":
            raise DecodeError(video, "there is no such file")
        return clip()

    monkeypatch.setattr(attention_figures, "clip_of", clip_of)
    net = backbone("timm")
    videos = ["gone", "there"]
    data = SimpleNamespace(videos=lambda split: videos)
    trained: Any = SimpleNamespace(run="logs/a", classifier=SimpleNamespace(backbone=net), data=data)
    pd.testing.assert_frame_equal(attention_figures.adapter_shares(trained), contributions(net, clip()[None]))
    videos.remove("there")
    with pytest.raises(Unanswerable, match="None of 1 test videos of the run logs/a can be read"):
        attention_figures.adapter_shares(trained)
