"""Heads that train side by side."""

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import nn

from video_adapters.features.probing.side_by_side import Probes, Recipe, num_steps

RECIPES = [Recipe(0.03, 0.0), Recipe(0.1, 0.5)]


def test_each_copy_trains_as_it_would_alone() -> None:
    features, labels = torch.randn(20, 6), torch.randint(3, (20,))
    head = nn.Linear(6, 3)
    probes = Probes(deepcopy(head), RECIPES).train(features, labels, epochs=3, per_step=8, seed=1)
    for index, (rate, decay) in enumerate(RECIPES):
        alone = deepcopy(head)
        optimizer = torch.optim.AdamW(alone.parameters(), lr=rate, weight_decay=decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps(20, 8, 3))
        generator = torch.Generator().manual_seed(1)
        for _ in range(3):
            for batch in torch.randperm(20, generator=generator).split(8):
                optimizer.zero_grad()
                F.cross_entropy(alone(features[batch]), labels[batch]).backward()
                optimizer.step()
                schedule.step()
        torch.testing.assert_close(probes.state(index), dict(alone.state_dict()))
        torch.testing.assert_close(probes.scores(features)[index], alone(features))
    assert not torch.equal(probes.state(0)["weight"], probes.state(1)["weight"])
