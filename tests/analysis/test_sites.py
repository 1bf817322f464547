"""Question 2 on runs written by hand."""

from pathlib import Path

import pandas as pd
import pytest

from video_adapters.analysis.finding import Unanswerable
from video_adapters.analysis.measures import adapted_sites as sites
from video_adapters.analysis.measures.adapted_sites import Adapted, adapted_by
from video_adapters.analysis.questions import sites as sites_figures
from video_adapters.analysis.runs.folder import read_runs

from helpers.written_runs import write_scored

NONE = {"adapter__spatial": None, "adapter__temporal": None, "adapter__joint": None}
ALL = dict.fromkeys(NONE, "all")
LADDER = {
    "frozen": NONE,
    "+ spatial": NONE | {"adapter__spatial": "all"},
    "+ temporal": ALL | {"adapter__joint": None},
    "+ joint": ALL,
}


def adapted(**changes: object) -> Adapted | None:
    target = {"config.adapter._target_": "video_adapters.model.adapters.aim.Aim", "config.adapter.frozen": True}
    named = {f"config.{key.replace('__', '.')}": value for key, value in changes.items()}
    return adapted_by(pd.Series(target | named, dtype=object))


def test_rungs_are_told_by_their_sites() -> None:
    assert [adapted(**changes) for changes in LADDER.values()] == [
        Adapted("frozen", "none"),
        *(Adapted(rung, "all") for rung in ("+ spatial", "+ temporal", "+ joint")),
    ]
    assert adapted(**NONE | {"adapter__joint": "all"}) == Adapted(None, "all")


def test_blocks_are_named_once_where_all_sites_share_them() -> None:
    assert adapted(**dict.fromkeys(ALL, "last_half")) == Adapted("+ joint", "last_half")
    assert adapted(**ALL | {"adapter__temporal": "last_half"}) == Adapted("+ joint", "temporal: upper half")
    assert adapted(**dict.fromkeys(ALL, "[0, 2]")) == Adapted("+ joint", "[0, 2]")


def test_other_methods_and_tuned_encoders_are_on_no_rung() -> None:
    assert adapted(**ALL, adapter___target_="video_adapters.model.adapters.lora.Lora") is None
    assert adapted(**NONE, adapter__frozen=False) is None


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    for i, (rung, changes) in enumerate(LADDER.items()):
        for seed in range(2):
            write_scored(tmp_path / f"{i}_{seed}", (i + 1) / 5 + seed / 10, seed=seed, name=rung, **changes)
    return tmp_path


def test_the_ladder_stands_in_its_order_with_means_over_seeds(ladder: Path) -> None:
    answer = sites_figures.answer(read_runs(ladder))
    assert answer.text == "Sites: frozen 25.0%, + spatial 45.0%, + temporal 65.0%, + joint 85.0%."
    (table,) = answer.tables.values()
    assert table["top-1, test (%)"].tolist() == ["25.0 ± 7.1", "45.0 ± 7.1", "65.0 ± 7.1", "85.0 ± 7.1"]  # 10 / sqrt(2)
    (figure,) = answer.figures.values()
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.25, 0.45, 0.65, 0.85])
    assert [text.get_text().split("\n")[0] for text in axes.get_xticklabels()] == list(LADDER)


def test_placement_compares_runs_with_adapters_at_all_sites(ladder: Path) -> None:
    for half, top1 in (("first_half", 0.3), ("last_half", 0.8)):
        write_scored(ladder / half, top1, placement=half, **dict.fromkeys(ALL, half))
    parts = sites.compared(read_runs(ladder))
    assert sites.by(parts["Placement"])["test/top1"].to_dict() == pytest.approx(
        {"lower half": 0.3, "upper half": 0.8, "all": 0.85}
    )
    assert len(parts["Sites"]) == 8  # the halves are not on the ladder
    assert sites.other_differences(parts["Placement"]) == ""


def test_of_a_rung_with_several_recipes_the_one_nearest_to_the_others_counts(ladder: Path) -> None:
    for seed in range(3):  # more seeds than the others, but on one rung alone
        write_scored(ladder / f"ratio_{seed}", 0.99, seed=seed, adapter__ratio=0.5, **LADDER["+ joint"])
    assert "+ joint 85.0%" in sites_figures.answer(read_runs(ladder)).text


def test_what_else_differs_is_said(tmp_path: Path) -> None:
    write_scored(tmp_path / "a", 0.3, trainer__max_epochs=6, **NONE)
    write_scored(tmp_path / "b", 0.9, trainer__max_epochs=16, **ALL)
    assert sites_figures.verdict(sites.compared(read_runs(tmp_path))).endswith(
        "Not one recipe throughout: trainer.max_epochs is 16 or 6."
    )


def test_runs_of_other_tasks_are_on_other_ladders(ladder: Path) -> None:
    write_scored(ladder / "other", 0.99, data__num_frames=32, **ALL)
    assert "+ joint 85.0%" in sites_figures.answer(read_runs(ladder)).text


def test_a_repeated_run_counts_once(ladder: Path) -> None:
    write_scored(ladder / "again", 0.45, seed=0, **NONE)  # the frozen encoder's first seed had 0.2, its second 0.3
    answer = sites_figures.answer(read_runs(ladder))
    assert answer.text.startswith("Sites: frozen 37.5%, ")
    assert answer.text.endswith(" Left out of 9 runs: 1 repeated later with the same configuration and seed.")
    assert answer.tables["Sites"]["runs"].tolist() == [2] * 4


def test_a_rung_that_only_another_task_has_is_not_on_the_ladder(tmp_path: Path) -> None:
    write_scored(tmp_path / "frozen", 0.3, **NONE)
    write_scored(tmp_path / "joint", 0.9, **ALL)
    write_scored(tmp_path / "other", 0.6, data__num_frames=32, **LADDER["+ spatial"])
    assert sites_figures.answer(read_runs(tmp_path)).text == "Sites: frozen 30.0%, + joint 90.0%."


def test_the_legend_fits_beneath_two_bars() -> None:
    table = pd.DataFrame({"runs": 1, "test/top1": 0.5, "test/pair": 0.9}, index=["frozen", "+ joint"])
    figure = sites_figures.plot({"Sites": table})
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1


def test_one_rung_is_no_ladder(tmp_path: Path) -> None:
    write_scored(tmp_path / "a", 0.9, seed=0, **ALL)
    write_scored(tmp_path / "b", 0.9, seed=1, **ALL)
    with pytest.raises(Unanswerable, match=r"The runs \(2\) have adapters at the same sites .* hparams_search=sites"):
        sites_figures.answer(read_runs(tmp_path))


def test_the_first_rungs_alone_are_a_ladder_without_placements(tmp_path: Path) -> None:
    for top1, rung in ((0.2, "frozen"), (0.3, "+ spatial")):
        write_scored(tmp_path / rung, top1, name=rung, **LADDER[rung])
    assert list(sites.compared(read_runs(tmp_path))) == ["Sites"]
