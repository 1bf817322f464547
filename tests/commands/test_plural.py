"""One is one, and the others are several."""

from video_adapters.commands.plural import counted


def test_a_noun_goes_with_its_number() -> None:
    numbers = [counted(number, "run") for number in (0, 1, 2)]
    assert numbers == ["0 runs", "1 run", "2 runs"]
    assert counted(2, "class") == "2 classes"
    assert counted(1, "class") == "1 class"
    assert counted(3, "training video") == "3 training videos"
