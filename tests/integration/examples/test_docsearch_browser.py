"""The page in a real browser: Debian's Chromium, where it and playwright are installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.examples.conftest import System

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install playwright"
)
expect = playwright.expect
expect.set_options(timeout=15_000)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

FILES = {
    "guide.md": (
        "# A guide\nHow the **albatross** flies. [Notes](sub/notes.txt) [x](javascript:alert(1))\n"
        "<img src=x onerror=alert(1)><script>document.title='owned'</script>\n"
    ),
    "sub/notes.txt": "Notes about pelicans.\n",
    "<img src=x onerror=alert(1)>.md": "# <script>alert(1)</script>\nalbatross & <b>bold</b>\n",
}


@pytest.fixture
def tab(system: System) -> Iterator[Any]:
    """A tab with the page, connected; no error may show up in its console."""
    system.write(FILES)
    system.start()
    problems: list[str] = []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(locale="en-US", viewport={"width": 1300, "height": 800})
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if "Policy" in message.text else None,
        )
        page.on("dialog", lambda dialog: (problems.append("an alert"), dialog.dismiss()))
        page.goto(system.registered("web.api_endpoint"))
        page.wait_for_selector("#state[data-state=connected]")
        expect(page.locator(".result")).to_have_count(3)
        yield page
        browser.close()
    assert problems == []


def test_search_read_and_see_changes(tab: Any, system: System) -> None:
    tab.keyboard.press("/")
    tab.keyboard.type("albatr")
    expect(tab.locator(".result")).to_have_count(2)
    assert {mark.lower() for mark in tab.locator(".result mark").all_inner_texts()} == {"albatr"}

    tab.locator(".result", has_text="A guide").click()
    tab.wait_for_selector("#pane .body h1")
    assert tab.locator("#pane .body h1").inner_text() == "A guide"
    assert (
        tab.locator("#pane .body script, #pane .body [onerror], #pane a[href^=java]").count() == 0
    )
    tab.locator("#pane .body a", has_text="Notes").click()
    expect(tab.locator("#pane .body")).to_contain_text("pelicans")
    original = tab.locator("#pane a.button").get_attribute("href")
    assert original.endswith("/sub/notes.txt")

    # What is new shows up in the list by itself, and what is read changes under the reader.
    system.write({"new.md": "# Newcomer\nalbatross\n", "sub/notes.txt": "Notes about toucans.\n"})
    tab.wait_for_selector(".result:has-text('Newcomer')")
    expect(tab.locator("#pane .body")).to_contain_text("toucans")
    assert "new" in tab.locator("#activity").inner_text()

    tab.keyboard.press("Escape")
    tab.keyboard.press("Escape")
    assert tab.locator("#query").input_value() == ""
    tab.keyboard.press("ArrowDown")
    tab.wait_for_selector(".result[aria-selected=true]")


@pytest.mark.parametrize("width", [1180, 1360])
def test_results_keep_to_their_side(tab: Any, system: System, width: int) -> None:
    """A title that is too long is cut, and the card with its time stays beside the preview."""
    system.write(
        {"long.md": f"# {'A title that is longer than the list is wide ' * 4}\nalbatross\n"}
    )
    tab.set_viewport_size({"width": width, "height": 760})
    tab.locator("#query").fill("albatross")
    tab.wait_for_selector(".result:has-text('A title that')")
    tab.keyboard.press("ArrowDown")
    tab.wait_for_selector("#pane .body h1")
    found, pane = tab.locator(".found").bounding_box(), tab.locator("#pane").bounding_box()
    assert found["x"] + found["width"] <= pane["x"] + 1
    for card in tab.locator(".result").all():
        box, time = card.bounding_box(), card.locator("time").bounding_box()
        assert box["x"] - found["x"] == pytest.approx(20, abs=1)
        assert found["x"] + found["width"] - box["x"] - box["width"] >= 19
        assert time["x"] + time["width"] <= box["x"] + box["width"]


def test_says_when_it_is_disconnected_and_comes_back(tab: Any, system: System) -> None:
    tab.locator("#query").fill("albatross")
    expect(tab.locator(".result")).to_have_count(2)
    life = system.module("event_hub")["life"]
    system.kill("event_hub")
    tab.wait_for_selector("#banner:not([hidden])")
    system.wait_for_life("event_hub", life + 1)
    tab.wait_for_selector("#state[data-state=connected]", timeout=20_000)
    tab.wait_for_selector("#banner", state="hidden")
    tab.locator("#query").fill("pelicans")
    expect(tab.locator(".result")).to_have_count(1)


def test_goes_on_while_the_indexer_restarts(tab: Any, system: System) -> None:
    hub = system.hub()
    hub.subscribe(["module.started"])
    system.kill("indexer")
    hub.wait("module.started", lambda data: data["module_id"] == "indexer")
    tab.locator("#query").fill("pelicans")
    expect(tab.locator(".result")).to_have_count(1)
    assert "indexer started" in tab.locator("#activity").inner_text()


def test_speaks_chinese(tab: Any) -> None:
    tab.locator("#language").click()
    assert tab.locator("#query").get_attribute("placeholder") == "搜索你的文档"
    assert tab.locator("html").get_attribute("lang") == "zh-CN"
