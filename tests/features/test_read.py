"""Features as arrays for people's own tools."""

import re
from pathlib import Path

import numpy as np
import pytest

from video_adapters.features import read_features

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_arrays_come_with_labels_paths_and_names(shapes: list[str], tmp_path: Path) -> None:
    words = [*shapes, f"features.root={tmp_path}", "features.layers=[4]", "data.max_videos=6"]
    features = read_features(*words, use="val")
    assert {key: array.shape for key, array in features.arrays.items()} == {
        (4, kind): (6, 1, 8, 32) for kind in ("class", "patches")
    }
    assert [Path(path).parent.name for path in features.paths] == [features.class_names[n] for n in features.labels]
    assert (features.groups, features.readable.all()) == (None, np.True_)
    again = read_features(*words, "adapter=aim_ssv2", "head=linear_in_order", use="val")  # which make no difference
    assert (again.arrays[4, "class"] == features.arrays[4, "class"]).all()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_the_pages_example_runs(shapes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```py\n(.*?)```", PAGE.read_text(), re.S)
    words = [*shapes, f"features.root={tmp_path}"]
    exec(re.sub(r"words = .*", f"words = {words}", example).replace("12,", "4,"), {})
    shown = capsys.readouterr().out.splitlines()[-2]
    assert re.fullmatch(r".*mp4 [\w -]+ \(36, 1, 8, 32\) True", shown)
