"""The report as a browser shows it, opened from disk."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from video_adapters.analysis import report
from video_adapters.analysis.questions import mistakes
from video_adapters.analysis.report import Request, write
from video_adapters.analysis.runs.test_files import read_predictions
from video_adapters.analysis.runs.trained import load_data

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def written(toy_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page of a tested run, of its errors: what else the report asks takes longer."""
    folder, run = tmp_path_factory.mktemp("report"), toy_runs / "runs" / "toy" / "none"
    with pytest.MonkeyPatch.context() as patch:
        only = {mistakes.QUESTION: lambda: mistakes.answer(str(run), load_data(run), folder)}
        patch.setattr(report, "_questions", lambda *_: {report.QUESTION: lambda: report._learned(_[0]), **only})
        write(Request(runs=toy_runs), folder / "report.html", lambda question: None)
    return (folder / "report.html").as_uri()


@pytest.fixture(autouse=True)
def light(browser: Any) -> None:
    scheme(browser, "light")


def scheme(browser: Any, name: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": name}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def cells(browser: Any) -> list[Any]:
    return browser.find_elements("css selector", ".confusion td a")


def shown_clips(browser: Any) -> list[Any]:
    return [part for part in browser.find_elements("class name", "clips") if part.is_displayed()]


def test_the_contents_lead_to_every_question(browser: Any, written: str) -> None:
    browser.get(written)
    links = browser.find_elements("css selector", "ol a")
    assert len(links) == 2
    for link in links:
        link.click()
        assert browser.find_element("css selector", ":target h2").text == link.text


def test_a_click_on_a_number_shows_its_clips_and_no_others(browser: Any, written: str) -> None:
    browser.get(written)
    assert not shown_clips(browser)
    for cell in cells(browser)[:3]:
        count = int(cell.text)
        cell.click()
        (part,) = shown_clips(browser)
        assert f": {count} video" in part.find_element("tag name", "h3").text
        pictures = part.find_elements("tag name", "img")
        assert pictures
        assert all(picture.get_property("naturalWidth") > 0 for picture in pictures)
        assert cell.is_displayed()
    part.find_element("link text", "back to the table").click()
    assert not shown_clips(browser)


def test_a_number_is_reached_and_followed_by_keys(browser: Any, written: str) -> None:
    from selenium.webdriver import ActionChains, Keys

    browser.get(written)
    browser.execute_script("arguments[0].focus()", cells(browser)[0])
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element == cells(browser)[1]
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    (part,) = shown_clips(browser)
    assert part.get_attribute("id") == cells(browser)[1].get_attribute("href").partition("#")[2]


def test_a_video_plays_in_the_page(browser: Any, written: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(written)
    cells(browser)[0].click()
    shown_clips(browser)[0].find_element("tag name", "summary").click()
    video = shown_clips(browser)[0].find_element("tag name", "video")
    browser.execute_script("arguments[0].play()", video)
    WebDriverWait(browser, 20).until(lambda _: video.get_property("currentTime") > 0)


def test_in_the_dark_page_and_figures_are_light_on_dark(browser: Any, written: str) -> None:
    looks = []
    for name in ("light", "dark"):
        scheme(browser, name)
        browser.get(written)
        ground = browser.find_element("tag name", "body").value_of_css_property("background-color")
        looks.append([ground, browser.find_element("css selector", "svg text").value_of_css_property("fill")])
    (paper, ink), (dark_paper, dark_ink) = [[brightness(color) for color in look] for look in looks]
    assert paper > 250
    assert ink < 50
    assert dark_paper < 30
    assert dark_ink > 200


def brightness(color: str) -> float:
    """Mean of the channels of `rgb(22, 24, 27)` or `rgba(...)`."""
    return sum(int(part) for part in color.partition("(")[2].rstrip(")").split(",")[:3]) / 3


@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_is_no_wider_than_its_window(browser: Any, written: str, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.get(written)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_strips_are_shown_without_their_videos(browser: Any, toy_runs: Path, tmp_path: Path) -> None:
    run = toy_runs / "runs" / "toy" / "none"
    answer = mistakes.answer(str(run), None, tmp_path)
    (table,) = [panel for caption, panel in answer.panels.items() if "A number leads" in caption]
    (tmp_path / "page.html").write_text(report.page("", {"": table}, style=report.STYLE), encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())
    cells(browser)[0].click()
    (part,) = shown_clips(browser)
    worst: pd.DataFrame = read_predictions(run)
    assert re_name(worst, part.text)


def re_name(predictions: pd.DataFrame, text: str) -> bool:
    """Whether a video is named."""
    return any("/".join(Path(video).parts[-2:]) in text for video in predictions["video"])
