"""Costs of the experiments against the counts that the official release gives, and the papers'."""

import pytest

from video_adapters.training.cost import cost

from toy import composed

SSV2, K400, K700, DIVING = 174, 400, 700, 48

# experiment, frames: parameters and tunable ones in M, GMACs of one view. The counts were made by running the official
# release; those at several T of one line of its table are given in full.
COUNTS = [
    ("aim_k400", 8, 96.765, 10.967, 202.088),
    ("aim_k400", 16, 96.771, 10.973, 404.641),
    ("aim_k400", 32, 96.783, 10.985, 811.141),
    ("aim_k400_vit_l14", 8, 341.439, 38.261, 933.480),
    ("aim_k400_vit_l14", 16, 341.447, 38.269, 1868.576),
    ("aim_k400_vit_l14", 32, 341.463, 38.286, 3743.620),
    ("aim_ssv2", 8, 100.141, 14.343, 207.666),
    ("aim_ssv2", 16, 100.147, 14.349, 415.796),
    ("aim_ssv2", 32, 100.160, 14.362, 833.450),
    ("aim_ssv2_vit_l14", 8, 353.821, 50.643, 959.350),
    ("aim_diving48", 32, 96.512, 10.714, 811.141),
    ("aim_diving48_vit_l14", 32, 341.103, 37.925, 3743.619),
    ("aim_k700", 32, 97.014, 11.216, 811.141),
]


@pytest.mark.parametrize(("experiment", "frames", "params", "trainable", "gmacs"), COUNTS)
def test_experiments_cost_what_the_official_release_costs(
    experiment: str, frames: int, params: float, trainable: float, gmacs: float
) -> None:
    counts = cost(composed(f"experiment={experiment}", f"data.num_frames={frames}"))
    assert round(counts.params / 1e6, 3) == params
    assert round(counts.trainable / 1e6, 3) == trainable
    assert round(counts.macs / 1e9, 3) == gmacs


def test_the_imagenet_vit_costs_what_the_official_one_costs() -> None:
    counts = cost(composed("experiment=aim_k400", "model=imagenet21k_vit_b16"))
    assert round(counts.params / 1e6, 3) == 96.764
    assert round(counts.trainable / 1e6, 3) == 10.967
    assert round(counts.macs / 1e9, 3) == 202.088


@pytest.mark.parametrize(
    ("adapter", "published"),  # M tunable, SSv2, ViT-B/16 ImageNet-21k, 8 frames (Yang et al. 2023, ablation)
    [("none", 0.14), ("spatial", 3.69), ("spatial_temporal", 10.79), ("aim_ssv2", 14.34)],
)
def test_the_ablation_trains_what_the_paper_says(adapter: str, published: float) -> None:
    counts = cost(composed("experiment=frozen_ssv2", f"adapter={adapter}"))
    assert round(counts.trainable / 1e6, 2) == published


@pytest.mark.parametrize(
    ("experiment", "frames", "views", "published"),  # "GFLOPs" of the paper: MACs x views
    [("aim_k400", 8, 3, 606), ("aim_k400", 16, 3, 1214), ("aim_k400_vit_l14", 16, 3, 5604), ("aim_ssv2", 8, 3, 624)],
)
def test_test_protocols_cost_what_the_paper_says(experiment: str, frames: int, views: int, published: float) -> None:
    cfg = composed(f"experiment={experiment}", f"data.num_frames={frames}")
    assert cfg.data.test_views.clips * cfg.data.test_views.crops == views
    assert cost(cfg).macs * views / 1e9 == pytest.approx(published, rel=2e-3)
