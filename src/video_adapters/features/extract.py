"""The command that computes the features of a data set."""

from omegaconf import DictConfig

from video_adapters.commands.signals import stoppable
from video_adapters.commands.terminal import summary
from video_adapters.commands.wording import counted
from video_adapters.data.from_config import build_data, with_classes_counted
from video_adapters.features.open_store import USES, open_store
from video_adapters.model.build import build_frozen
from video_adapters.model.hardware import make_ready
from video_adapters.model.licences import terms


def extract(cfg: DictConfig) -> None:
    """Computes what is missing of the training, validation and test videos, and says where it is.

    Raises:
        ValueError: for whatever in config, data or weights stands in the way.
    """
    cfg = with_classes_counted(cfg)
    data = build_data(cfg)
    backbone = build_frozen(cfg)
    make_ready(backbone, cfg)
    stores = {use: open_store(backbone, cfg, data, use) for use in USES}  # all rows have their places from here on
    rows = {}
    for use, store in stores.items():
        with stoppable("the same command goes on where it stopped"):
            store.compute()
        read = int(store.readable.sum())
        unread = f", {len(store) - read} could not be read" if read < len(store) else ""
        rows[USES[use]] = f"{counted(read, 'video')}{unread}: {store.folder}"
    layers = ", ".join(map(str, stores["train"].layers))
    rows["of each frame"] = f"{', '.join(stores['train'].spec.kinds)} of blocks {layers}"
    if told := terms(backbone.encoder.licence):
        rows["licence"] = told
    summary(f"features of {cfg.model.encoder.model_name}", rows)
