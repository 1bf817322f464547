"""Cost of a composed experiment, counted on the meta device."""

from omegaconf import DictConfig

from video_adapters.catalogue.model_table import gmacs_a_video
from video_adapters.commands.terminal import summary
from video_adapters.commands.wording import counted
from video_adapters.data.from_config import with_classes_counted
from video_adapters.model.build import cost


def print_cost(cfg: DictConfig) -> None:
    """Prints the counts of one view and of the test protocol."""
    cfg = with_classes_counted(cfg)
    counts = cost(cfg)
    views = cfg.data.test_views.clips * cfg.data.test_views.crops
    summary(
        f"{cfg.name}: {cfg.model.encoder.model_name}, {cfg.data.num_frames} frames, {cfg.data.num_classes} classes",
        {
            "parameters": f"{counts.params / 1e6:.3f} M",
            "of these train": f"{counts.trainable / 1e6:.3f} M",
            "a view": f"{counts.macs / 1e9:.3f} GMACs, as published",
            "as run": f"{counts.macs_run / 1e9:.3f} GMACs (no dead work, linear layers in a row as one)",
            "a video": f"{gmacs_a_video(counts.macs, views)} GMACs: {counted(views, 'view')} (the papers' GFLOPs)",
        },
    )
