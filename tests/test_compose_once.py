"""The tests' shortcut through Hydra's composing ends at the same config, and does not touch what it has kept."""

import pytest
from hydra._internal import config_loader_impl
from omegaconf import OmegaConf

from video_adapters.commands.config import compose_config

from helpers import compose_once


def test_what_is_composed_once_is_what_hydra_composes(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["experiment=aim_ssv2", "head=mean", "optim.betas=[0.1,0.2]", "+x.y={a: 1}", "~callbacks.last"]
    first, second = (compose_config("train", words, with_hydra=True) for _ in range(2))
    monkeypatch.setattr(compose_once.OverridesParser, "parse_rule", compose_once._parse)
    monkeypatch.setattr(compose_once.ConfigRepository, "load_config", compose_once._load)
    monkeypatch.setattr(config_loader_impl, "create_defaults_list", compose_once._list)
    monkeypatch.setattr(compose_once.ConfigLoaderImpl, "_compose_config_from_defaults_list", compose_once._merge)
    expected = OmegaConf.to_yaml(compose_config("train", words, with_hydra=True))
    assert OmegaConf.to_yaml(first) == expected
    first.optim.lr = 5
    first.data.test_views.clips = 7
    assert OmegaConf.to_yaml(second) == expected
