"""From a composed config to its data set: annotations, splits, number of classes, loaders."""

import os

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from video_adapters.data.annotations import Annotations
from video_adapters.data.datamodule import VideoData
from video_adapters.data.selection import split_of_test


def annotations_of(cfg: DictConfig) -> Annotations:
    """The reader of the data set's own files."""
    annotations: Annotations = instantiate(cfg.annotations, _convert_="all")(root=os.path.expanduser(cfg.root))
    annotations.prepare()
    return annotations


def splits_of(cfg: DictConfig, annotations: Annotations) -> list[str]:
    """The annotation's splits that training, validation and test use."""
    test = split_of_test(annotations, cfg.test_split, cfg.val_split)
    return list(dict.fromkeys([cfg.train_split, cfg.val_split, test]))


def with_classes_counted(cfg: DictConfig) -> DictConfig:
    """The config with `data.num_classes` counted by the data set's annotations where it is null.

    Whatever needs the number reads it from the config that this returns. A ValueError where there is no data set to
    count in, as when a plan is made before the videos are there.
    """
    if cfg.data.num_classes is not None:
        return cfg
    if OmegaConf.is_missing(cfg.data, "root"):
        raise ValueError("data.num_classes is counted in the data set: give data.root=FOLDER or data.num_classes=N")
    cfg = cfg.copy()
    cfg.data.num_classes = annotations_of(cfg.data).num_classes
    return cfg


def build_data(cfg: DictConfig, render: bool = True) -> VideoData:
    """The data, made ready and checked, so that what is missing shows before anything else starts.

    To `render` lets a data set that makes its videos write them to data.root, which is then the user's own word.

    Raises:
        ValueError: what the config asks for is not there.
    """
    data: VideoData = instantiate(cfg.data, seed=cfg.seed, **cfg.batch, _convert_="all")
    if not render and not data.annotations.is_prepared():
        raise ValueError(
            f"the videos are not in {data.root}, which a file names, and they are rendered only where you say: give "
            "data.root=FOLDER"
        )
    data.prepare_data()
    return data
