"""The report as a browser shows it, opened from disk."""

from typing import Any

import pytest

from video_adapters.analysis.report import Request, write

from helpers.written_runs import write_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page of a run that somebody wrote by hand."""
    folder = tmp_path_factory.mktemp("report")
    write_run(folder / "runs" / "a")
    write(Request(runs=folder / "runs"), folder / "report.html", lambda question: None)
    return (folder / "report.html").as_uri()


def test_the_contents_lead_to_every_question(browser: Any, written: str) -> None:
    browser.get(written)
    links = browser.find_elements("css selector", "ol a")
    assert len(links) == 7
    for link in links:
        link.click()
        heading = browser.find_element("css selector", ":target h2")
        assert heading.text == link.text


def test_every_picture_is_shown(browser: Any, written: str) -> None:
    browser.get(written)
    pictures = browser.find_elements("tag name", "img")
    assert pictures
    assert all(picture.get_property("naturalWidth") > 0 for picture in pictures)
