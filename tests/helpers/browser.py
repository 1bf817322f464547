"""A headless Chromium of the system's, driven by its chromedriver, for tests that are marked `browser`."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REASON = "no chromium"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A `selenium.webdriver.Chrome` with a profile of its own, shared by the tests of a process; without Chromium and
    its driver on the path the test is skipped."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip(REASON)
    with launched(chromium, driver, tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def launched(chromium: str, driver: str, profile: Path) -> Any:
    """A browser that quits at the end of its `with`. Both programs are named: selenium looks for none to download."""
    from selenium import webdriver  # here: pytest's own process and all other tests need nothing of it

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1200,900"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests there were no browser for."""
    skipped = terminalreporter.stats.get("skipped", [])
    if count := sum(REASON in str(report.longrepr) for report in skipped):
        terminalreporter.write_line(f"{count} browser test{'s were' if count > 1 else ' was'} not run: {REASON}")
