"""Extraction of features beside the bare forward pass, both with one computing thread: python benchmarks/features.py

The bare pass runs on one group's clips, which lie in memory, again and again; extraction decodes the clips of all
training videos in a process of its own, passes them through the same network in the same groups, pools three blocks and
writes them. They take turns, and each counts from its second group on. Overrides choose another experiment:

    python benchmarks/features.py model=shapes_vit data.image_size=40
"""

import argparse
import tempfile
import time
from statistics import median
from typing import Any

import torch

from video_adapters.commands import command
from video_adapters.commands.config import compose_config
from video_adapters.data.from_config import build_data
from video_adapters.features import FeatureStore, open_store
from video_adapters.features.extraction import Extraction
from video_adapters.model.adapters.adapted_block import running
from video_adapters.model.build import build_frozen

VIT_S = ["model=imagenet21k_vit_b16", "model.encoder.model_name=vit_small_patch16_224", "data.image_size=112"]
DEFAULT = [*VIT_S, "model.weights=null", "model.allow_random=true", "data.max_videos=96", "data.num_workers=1"]
"""ViT-S/16 on 8 frames of 112 pixels, 8.5 GMACs a clip; random weights take as long as others."""


class Timed(Extraction):
    """An extraction that remembers when each of its groups was done."""

    ends: list[float]

    def _write(self, *group: Any) -> None:
        super()._write(*group)
        self.ends.append(time.perf_counter())


def main() -> None:
    """Measures in turns, and prints the median of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="turns (%(default)s)")
    arguments, overrides = parser.parse_known_args()
    command.read_environment()
    torch.set_num_threads(1)
    ratios = [measure([*DEFAULT, *overrides]) for _ in range(arguments.repeats)]
    print(f"extraction reaches {median(ratios):.2f} of the bare pass (of {', '.join(f'{r:.2f}' for r in ratios)})")


def measure(overrides: list[str]) -> float:
    """Clips a second of extraction over those of the bare forward pass."""
    with tempfile.TemporaryDirectory() as root:
        cfg = compose_config("extract", ["trainer.precision=32-true", "trainer.accelerator=cpu", *overrides])
        cfg.features.root = root
        backbone, data = build_frozen(cfg).eval(), build_data(cfg)
        store = open_store(backbone, cfg, data, "train")
        before = bare(backbone, store, data.num_frames)
        extracted = extraction(store)
        bare_rate = (before + bare(backbone, store, data.num_frames)) / 2  # around it: the machine has other users
    print(f"bare pass {bare_rate:.2f} clips/s, extraction {extracted:.2f}", flush=True)
    return extracted / bare_rate


@torch.inference_mode()
def bare(backbone: Any, store: FeatureStore, num_frames: int, passes: int = 4) -> float:
    """Clips a second of the network as it is, all tokens leaving its last block."""
    shape = (store.per_pass, num_frames, 3, *backbone.encoder.image_size)
    clips = torch.randint(256, shape, dtype=torch.uint8)
    with running(backbone.blocks, skip_dead_work=False):
        backbone.features(clips)
        start = time.perf_counter()
        for _ in range(passes):
            backbone.features(clips)
        return passes * store.per_pass / (time.perf_counter() - start)


def extraction(store: FeatureStore) -> float:
    """Clips a second from the first group to the last."""
    assert store.extraction is not None
    timed = Timed(**{name: getattr(store.extraction, name) for name in Extraction.__dataclass_fields__})
    timed.ends = []
    timed.run()
    return (len(timed.ends) - 1) * store.per_pass / (timed.ends[-1] - timed.ends[0])


if __name__ == "__main__":
    main()
