"""Features of frozen encoders: kept on disk, and read for probes and for people's own tools."""

from video_adapters.features.open_store import open_store
from video_adapters.features.read import Features, read_features
from video_adapters.features.store import FeatureStore

__all__ = ["FeatureStore", "Features", "open_store", "read_features"]
