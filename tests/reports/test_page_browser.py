"""The report page in Debian's Chromium: axe finds nothing, it fits a phone, paper opens what the screen folds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from tests.reports.sample import organisation_report

from postmuster.reports.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (make setup)")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's Chromium is not installed (apt-get install chromium)"),
]
Scheme = Literal["light", "dark"]
UNFOLD = "document.querySelectorAll('details').forEach(folded => { folded.open = true })"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("report") / "report.html"
    made.write_text(write_page(organisation_report()), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield launched
        launched.close()


def opened(browser: Browser, file: Path, width: int, scheme: Scheme = "light") -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(file.as_uri())
    return page


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_axe_finds_nothing(browser: Browser, file: Path, width: int, scheme: Scheme) -> None:
    page = opened(browser, file, width, scheme)
    page.evaluate(UNFOLD)
    found = axe.Axe().run(page, options=RULES)
    page.close()
    assert len(found.response["passes"]) > 20
    assert [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found.response["violations"]
    ] == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_only_tables_and_plots_are_wider_than_the_screen(browser: Browser, file: Path, width: int) -> None:
    page = opened(browser, file, width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_paper_opens_what_the_screen_folds(browser: Browser, file: Path) -> None:
    page = opened(browser, file, 1280)
    row = page.locator("#notice-1 .components tbody th").last
    assert not row.is_visible()
    page.emulate_media(media="print")
    assert row.is_visible()
    assert not page.locator("nav").is_visible()
    page.close()


def test_the_first_key_leads_past_the_contents(browser: Browser, file: Path) -> None:
    page = opened(browser, file, 1280)
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.get_attribute("class") == "skip"
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "report"
    page.close()


def test_the_page_asks_for_nothing_and_says_nothing_on_the_console(browser: Browser, file: Path) -> None:
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    page.close()
    assert asked == [file.as_uri()]
    assert said == []
