"""The demo's page as a browser shows it."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from video_adapters.recognition import Recognizer
from video_adapters.recognition.demo_server import DemoServer

from helpers.colours import COLOURS, coloured
from helpers.videos import write_video

pytestmark = pytest.mark.browser
ODD = "<img src=x onerror=document.title=1>"
DROP = """
const [bytes, name] = arguments, carried = new DataTransfer();
carried.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name));
document.dispatchEvent(new DragEvent("drop", {dataTransfer: carried, bubbles: true, cancelable: true}));
"""


@pytest.fixture
def page(recognizer: Recognizer, browser: Any) -> Iterator[Any]:
    """The demo of a recogniser one of whose classes has an odd name."""
    recognizer.class_names = ("red", ODD, "blue")
    with DemoServer(recognizer, "colours") as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        browser.get(server.address)
        yield browser
        server.shutdown()
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def until(browser: Any, holds: Callable[[], Any]) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, 30, 0.1).until(lambda _: holds())


def text(browser: Any, name: str) -> str:
    return str(browser.find_element("id", name).text)


def give(browser: Any, path: Path) -> None:
    """Chooses a file, and waits for the end of its answer."""
    browser.find_element("id", "file").send_keys(str(path))
    ended = "return status.textContent === 'Done.' || !document.getElementById('refusal').hidden"
    until(browser, lambda: browser.execute_script(ended.replace("status.", "document.getElementById('status').")))


def test_a_dropped_video_is_named_played_and_sought(page: Any, tmp_path: Path) -> None:
    video = coloured(tmp_path / "clip.mp4", [("green", 100), ("blue", 50)]).read_bytes()
    page.execute_script(DROP, base64.b64encode(video).decode(), f"{ODD}.mp4")
    until(page, lambda: text(page, "status") == "Done.")
    assert text(page, "named") == ODD  # names are text
    assert page.title == "What does this video show?"
    assert text(page, "name") == f"{ODD}.mp4"
    rows = page.find_elements("css selector", "#classes li")
    assert [row.find_element("class name", "name").text for row in rows] == [ODD, "blue", "red"]
    assert "no encoder whose attention could be seen" in text(page, "looked-note")
    buttons = page.find_elements("css selector", "#bar button")
    assert len(buttons) == 4  # of 5 s, 2 s every 1 s
    assert buttons[-1].get_attribute("aria-label").startswith("3.0 s to 5.0 s: blue ")
    until(page, lambda: page.execute_script("return document.getElementById('video').readyState") >= 2)
    buttons[-1].send_keys("\ue007")  # Enter: what a mouse does the keyboard does
    until(page, lambda: buttons[-1].get_attribute("aria-current") == "true")
    assert page.execute_script("return document.getElementById('video').currentTime") == pytest.approx(
        3.5, abs=0.01
    )  # from where it is the nearest
    assert text(page, "now").startswith("At 3.5 s: blue")
    assert page.get_log("browser") == []  # nothing that the page's own policy had to forbid


def test_a_text_file_is_refused_in_words_and_the_next_video_is_taken(page: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear all,")
    give(page, tmp_path / "letter.txt")
    assert text(page, "refusal").startswith("letter.txt: is no video, or so damaged that")
    assert not page.find_element("id", "result").is_displayed()
    give(page, coloured(tmp_path / "short.mp4", [("blue", 6)]))
    assert text(page, "named") == "blue"
    assert not page.find_element("id", "refusal").is_displayed()
    assert "is no longer than a window" in text(page, "timeline-note")


def test_what_the_browser_cannot_play_has_a_timeline_all_the_same(page: Any, tmp_path: Path) -> None:
    frames = np.full((75, 32, 48, 3), COLOURS["red"], np.uint8)
    give(page, write_video(tmp_path / "old.avi", frames, codec="mpeg4"))
    until(page, page.find_element("id", "unplayable").is_displayed)
    page.find_elements("css selector", "#bar button")[1].click()
    assert text(page, "now").startswith("At 1.3 s: red")  # amid the middles of 0 to 2 s and of 0.5 to 2.5 s


def luminance(colour: str) -> float:
    """Relative luminance of "rgb(r, g, b)" (WCAG 2.2)."""
    shares = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(page: Any, scheme: str, tmp_path: Path) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    (tmp_path / "x.txt").write_text("x")
    give(page, tmp_path / "x.txt")
    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    ground = luminance(page.execute_script(style, "body", "background-color"))
    assert (ground < 0.1) == (scheme == "dark")
    for where in ("body", ".quiet", "#refusal", "#drop strong"):
        lighter, darker = sorted([luminance(page.execute_script(style, where, "color")), ground], reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, where  # WCAG 2.2, 1.4.3


def test_a_narrow_screen_needs_no_scrolling_aside(page: Any, tmp_path: Path) -> None:
    size = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    give(page, coloured(tmp_path / f"{'long' * 40}.mp4", [("red", 75)]))
    assert page.execute_script("return document.documentElement.scrollWidth") <= 320


def test_everything_that_is_used_has_a_name(page: Any, tmp_path: Path) -> None:
    give(page, coloured(tmp_path / "x.mp4", [("red", 90)]))
    for one in page.find_elements("css selector", "input, button, progress, summary"):
        assert one.accessible_name or not one.is_displayed(), one.get_attribute("outerHTML")
