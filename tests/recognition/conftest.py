"""A trained toy checkpoint, and a recognizer that names colours."""

from pathlib import Path

import pytest
import torch

from video_adapters.data.clips.sample import Segments
from video_adapters.data.views import Views
from video_adapters.recognition import Recognizer

from helpers.colours import COLOURS, NamesColours
from helpers.toy import run


@pytest.fixture
def recognizer() -> Recognizer:
    return Recognizer(
        NamesColours(),
        tuple(COLOURS),
        sampling=Segments(num_frames=4),
        views=Views(),
        image_size=28,
        device=torch.device("cpu"),
        at_once=3,
    )


@pytest.fixture(scope="session")
def trained(shapes: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short toy run on 12 videos, tested on 12."""
    folder = tmp_path_factory.mktemp("trained")
    run(folder, *shapes, "data.max_videos=12", "optim.lr=1e-2")
    return folder
