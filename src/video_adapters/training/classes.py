"""The number of classes, which own data sets need not say: it is counted."""

from omegaconf import DictConfig, OmegaConf

from video_adapters.training.prepare import annotations_of


def with_classes_counted(cfg: DictConfig) -> DictConfig:
    """The config with `data.num_classes` counted by the data set's annotations where it is null.

    Whatever needs the number reads it from the config that this returns.

    Raises:
        ValueError: there is no data set to count in, as when a plan is made before the videos are there.
    """
    if cfg.data.num_classes is not None:
        return cfg
    if OmegaConf.is_missing(cfg.data, "root"):
        raise ValueError("data.num_classes is counted in the data set: give data.root=FOLDER or data.num_classes=N")
    cfg = cfg.copy()
    cfg.data.num_classes = annotations_of(cfg.data).num_classes
    return cfg
