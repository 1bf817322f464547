"""The search for the best probe."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from video_adapters.features.probing.candidate import CONTROL, Candidate, Reading, Space
from video_adapters.features.probing.choose import Clips, Search
from video_adapters.features.probing.folds import folds
from video_adapters.features.probing.probe_settings import Probing
from video_adapters.features.probing.side_by_side import Recipe
from video_adapters.model.heads.head import Head
from video_adapters.model.heads.linear_in_order import LinearInOrderHead
from video_adapters.model.heads.map import MapHead
from video_adapters.model.heads.mean import MeanHead

COUNT, TIMES, WIDTH, CLASSES = 120, 3, 6, 2
GRID = {"rates": [0.03], "decays": [0.0, 0.1]}


def head_of(name: str, reads: Reading, features: Tensor) -> Head:
    if name == "map":
        return MapHead(features.shape[-1], CLASSES, features.shape[1])
    if reads == "mean":
        return MeanHead(features.shape[-1], CLASSES, standardise=True)
    return LinearInOrderHead(features.shape[-1], CLASSES, features.shape[1])


def features_by_order(labels: Tensor) -> dict[int, Tensor]:
    """Features like real ones: block 1 says nothing, block 2 the same frames forwards or backwards."""
    walk = torch.randn(TIMES, WIDTH)
    forwards = walk[None] + 0.5 * torch.randn(COUNT, TIMES, WIDTH)
    told = torch.where(labels[:, None, None] == 1, forwards.flip(1), forwards)
    return {1: 20 + 0.003 * torch.randn(COUNT, TIMES, WIDTH), 2: 20 + 0.003 * told}


def searched(readable: Tensor | None = None, **settings: Any) -> tuple[Search, dict[int, Tensor]]:
    labels = torch.arange(COUNT) % CLASSES
    features = features_by_order(labels)
    readable = torch.ones(COUNT, dtype=torch.bool) if readable is None else readable
    groups = [f"person{i // 10}" for i in range(COUNT)]
    divided = folds(labels.numpy(), np.zeros(COUNT, bool), groups, readable=readable.numpy(), count=3)
    settings = {"penalties": [1.0, 0.1], "trained": {"linear": GRID}, "epochs": 5, "per_step": 16, "best": 1} | settings
    every = torch.ones(COUNT, dtype=torch.bool)
    clips = Clips(labels, CLASSES, readable, divided, trains=every, first=every)
    return Search(lambda layer, kind: features[layer], clips, Probing(**settings), head_of).run(
        [1, 2], ["class"]
    ), features


def test_the_best_layer_and_reading_are_chosen_and_all_candidates_are_listed() -> None:
    search, _ = searched()
    best = search.best.candidate
    assert (best.space.layer, best.space.reads) == (2, "in_order")
    assert search.best.held_out > 0.9
    rows = {(row.candidate.space.layer, row.candidate.space.reads, row.candidate.head): row for row in search.rows}
    assert rows[2, "mean", "ridge"].held_out < 0.7  # order is all that differs
    assert rows[1, "in_order", "ridge"].held_out < 0.7
    assert len(search.rows) == 2 * 2 * (2 + 1) + 2
    line = search.best.as_dict()
    assert [*line][:8] == ["layer", "kind", "reads", "head", "penalty", "rate", "decay", "held_out"]
    assert [name for name in line if name.startswith("fold")] == ["fold1", "fold2", "fold3"]
    perfect = torch.eye(CLASSES, dtype=torch.float64)[search.clips.labels]
    search._highest = 0.5
    search._add([Candidate(best.space, CONTROL)], perfect[None])
    assert search.rows[-1].held_out == 1
    assert search.best.candidate == best  # the control is never chosen


def test_a_refitted_head_tells_new_clips_with_fitting_confidence() -> None:
    search, features = searched()
    head = search.refitted().eval()
    chances = head(features[2]).softmax(1)
    labels = search.clips.labels
    assert (chances.argmax(1) == labels).float().mean() > 0.95
    assert abs(chances.max(1).values.mean() - search.best.held_out) < 0.08


@pytest.mark.parametrize("reads", ["mean", "in_order"])
def test_a_trained_head_is_refitted_by_its_recipe(reads: Reading) -> None:
    search, features = searched()
    candidate = Candidate(Space(2, "class", reads), "linear", recipe=Recipe(0.03, 0.1))
    search.best = search.best._replace(candidate=candidate)
    head = search.refitted().eval()
    right = (head(features[2]).argmax(1) == search.clips.labels).float().mean()
    assert right > 0.9 if reads == "in_order" else right < 0.8


@pytest.mark.slow
def test_heads_with_a_query_are_searched_and_refitted_alike() -> None:
    grid = {"rates": [0.01, 0.03], "decays": [0.01]}
    search, features = searched(trained={"map": grid}, reads=["mean"], best=2, epochs=20)
    best = search.best.candidate
    assert (best.head, best.space.reads) == ("map", "in_order")  # the closed form sees averaged frames alone
    assert (search.refitted().eval()(features[2]).argmax(1) == search.clips.labels).float().mean() > 0.9


def test_a_kind_of_heads_is_switched_off_by_null() -> None:
    assert {row.candidate.head for row in searched(trained={"linear": None})[0].rows} == {"ridge", CONTROL}


def test_trained_heads_that_would_take_too_long_are_left_out_in_words(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        search, _ = searched(minutes=0)
    assert {row.candidate.head for row in search.rows} == {"ridge", CONTROL}
    assert "2 probes: linear on class of block 2, frames in order, 3 folds: left out" in caplog.text
    assert "min of probe.minutes=0" in caplog.text


def test_what_cannot_be_read_counts_as_wrong_and_teaches_nothing() -> None:
    readable = torch.rand(COUNT) < 0.8
    search, features = searched(readable)
    assert search.best.held_out <= readable.float().mean() + 0.02
    expected = search.refitted().state_dict()
    before = search.temperature()
    search.scores[~readable] = 50 * torch.randn_like(search.scores[~readable])
    assert search.temperature() == before
    features[2][~readable] = 0
    torch.testing.assert_close(search.refitted().state_dict(), expected)


def test_clips_that_do_not_train_are_left_out_of_the_head_in_the_end() -> None:
    search, features = searched()
    trains = torch.arange(COUNT) % 3 > 0
    search.clips = search.clips._replace(trains=trains)
    expected = search.refitted().state_dict()
    features[2][~trains] = 0
    torch.testing.assert_close(search.refitted().state_dict(), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"penalties": []}, r"probe.penalties is \[\], expected numbers above 0"),
        ({"reads": ["backwards"]}, r"probe.reads is \['backwards'\], expected some of: mean, in_order"),
        ({"best": 0}, r"probe.best is 0, expected at least 1"),
        ({"folds": 1}, r"probe.folds is 1, expected at least 2"),
        ({"trained": {"map": {"rate": [1]}}}, r"probe.trained.map is \{'rate': \[1\]\}, expected rates above 0"),
    ],
)
def test_settings_that_make_no_probe_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        searched(**settings)
