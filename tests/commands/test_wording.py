"""Numbers with their nouns, and the nearest of the known names."""

import pytest

from video_adapters.commands.wording import counted, did_you_mean


def test_a_noun_goes_with_its_number() -> None:
    numbers = [counted(number, "run") for number in (0, 1, 2)]
    assert numbers == ["0 runs", "1 run", "2 runs"]
    assert counted(2, "class") == "2 classes"
    assert counted(1, "class") == "1 class"
    assert counted(3, "training video") == "3 training videos"


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("wawe", ["clap", "wave"], " (did you mean wave?)"),
        ("WAVE", ["clap", "Wave"], " (did you mean Wave?)"),
        ("val.txt", ["train.txt"], ""),
        ("jump", ["clap", "wave"], ""),
        ("jump", [], ""),
    ],
)
def test_the_nearest_name_is_offered_where_one_is_near(name: str, known: list[str], meant: str) -> None:
    assert did_you_mean(name, known) == meant
