"""Test protocols: which clips and crops of a video are scored."""

from dataclasses import dataclass

from video_adapters.commands.wording import counted
from video_adapters.data.clips.transform import before_crop


@dataclass(frozen=True, kw_only=True)
class Views:
    """A test protocol: which views of a video are scored."""

    clips: int = 1  # temporal clips per video
    crops: int = 1  # crops per clip: 1 (centre) or 3
    resize: int | str = "auto"  # short side before the crop, in pixels; auto: see `short_side`

    def __post_init__(self) -> None:
        if isinstance(self.resize, str) and self.resize != "auto":
            raise ValueError(f"the views' resize is '{self.resize}', expected a number of pixels, or auto")
        if self.clips < 1 or self.crops not in (1, 3):
            raise ValueError(f"views are {self.described()}, expected at least 1 clip, and 1 or 3 crops")

    def __len__(self) -> int:
        return self.clips * self.crops

    def described(self) -> str:
        """Such as: 3 clips x 1 crop."""
        return f"{counted(self.clips, 'clip')} x {counted(self.crops, 'crop')}"

    def short_side(self, image_size: int) -> int:
        """Pixels of the short side before crops of `image_size` are cut. Automatically as papers do it: the crops' own
        where three of them cover the frame, 8/7 of it for one in the middle (256 for 224)."""
        if not isinstance(self.resize, str):
            return self.resize
        return image_size if self.crops == 3 else before_crop(image_size)
