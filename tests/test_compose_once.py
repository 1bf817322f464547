"""The tests' shortcut through Hydra's composing ends at the same config, and does not touch what it has kept."""

import pytest
from omegaconf import OmegaConf

from video_adapters.commands.config import compose_config

from helpers.compose_once import HYDRAS


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=aim_ssv2", "head=mean", "optim.betas=[0.1,0.2]", "+x.y={a: 1}", "~callbacks.last"],
        ["hparams_search=ablation", "experiment=moving_shapes_probe", "logger=none", "gpu=a10"],
    ],
    ids=" ".join,
)
def test_what_is_composed_once_is_what_hydra_composes(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    compose_config("train", [*words, "model=toy_vit"], with_hydra=True)  # other choices, of which parts are kept
    first, second = (compose_config("train", words, with_hydra=True) for _ in range(2))
    for owner, name, hydras in HYDRAS:
        monkeypatch.setattr(owner, name, hydras)
    expected = OmegaConf.to_yaml(compose_config("train", words, with_hydra=True))
    assert OmegaConf.to_yaml(first) == expected
    first.optim.lr = 5
    first.data.test_views.clips = 7
    assert OmegaConf.to_yaml(second) == expected
