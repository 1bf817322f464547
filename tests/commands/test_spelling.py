import pytest

from video_adapters.commands.spelling import did_you_mean


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
