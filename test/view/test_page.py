# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: headless Chromium with software rendering."""

import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from spaceformer_ros.layout.structure import Layout, Room, Storey
from spaceformer_ros.sources.files import FileSource
from spaceformer_ros.view.server import Viewer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--mute-audio")
SECONDS = 60_000  # milliseconds that something may take on a busy machine

pytestmark = [pytest.mark.slow, pytest.mark.process]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="playwright comes with the packages of `make test`")
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def viewer(pipeline):
    corners = ((-1.0, -1.0), (1.0, -1.0), (1.0, 2.0), (-1.0, 2.0))
    layout = Layout(storeys=(Storey(1, 0.0, 2.5),), rooms=(Room(7, corners, 6.0, 1, ()),))
    pipeline.graphs._find_layout = lambda scene: layout
    pipeline.graphs.forget()
    made = Viewer(FileSource(pipeline), port=0)
    yield made
    made.close()


@pytest.fixture
def visit(browser, viewer):
    """A function: the page in a window of its own. `page.problems` collects errors of its console."""
    opened = []

    def visit(width=640, height=480, **device):
        opened.append(
            browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=0.5, **device)
        )
        page = opened[-1].new_page()
        page.set_default_timeout(SECONDS)
        page.problems = []
        page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.goto(viewer.address)
        return page

    yield visit
    for context in opened:
        context.close()


def field(page, label, kind="input"):
    """The input beside a label."""
    return page.locator(f"//label[text()='{label}']/following::{kind}[1]")


def picture(page):
    """[H, W, 3] int of the picture that the page saves."""
    page.get_by_role("tab", name="View").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture").click()
    return np.asarray(Image.open(download.value.path()).convert("RGB")).astype(int)


def leave(page):
    """Close a page, which drew as often as it could, and check that nothing went wrong on it."""
    assert page.problems == []
    page.context.close()


def is_hot(pixels):
    """[H, W] bool: yellow pixels, the colour of the best relevancy."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    return (red > 170) & (green > 170) & (blue < 110)


def test_a_visitor_asks_saves_a_picture_and_changes_the_vocabulary(visit, pipeline):
    page = visit()
    page.get_by_text("3 objects").wait_for()
    field(page, "Find").fill("couch")
    field(page, "Find").press("Enter")
    page.get_by_role("button", name="sofa 2: 0.9").wait_for()
    page.get_by_text("1 found; first: sofa").wait_for()
    page.get_by_role("tab", name="View").click()
    page.get_by_text("Ceiling").wait_for()
    page.wait_for_timeout(1000)  # the flight
    hot = is_hot(picture(page))
    rows, columns = np.nonzero(hot)
    assert 0.01 < hot.mean() < 0.5
    assert abs(columns.mean() / hot.shape[1] - 0.5) < 0.1  # the camera is directed at the match
    assert abs(rows.mean() / hot.shape[0] - 0.5) < 0.15

    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop and save").wait_for()
    page.get_by_role("button", name="Whole map").click()
    page.wait_for_timeout(1000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Stop and save").click()
    with Image.open(download.value.path()) as moving:
        assert (moving.format, moving.is_animated) == ("GIF", True)
        assert is_hot(np.asarray(moving.convert("RGB")).astype(int)).mean() > 0.01

    page.get_by_role("tab", name="Vocabulary").click()
    assert field(page, "Labels", "textarea").input_value() == "chair\nsofa\ntable"
    field(page, "Labels", "textarea").fill("chair\n<b>seat</b>\ntable\ncouch")
    page.get_by_role("button", name="Use these labels").click()
    page.get_by_role("tab", name="Objects").click()
    field(page, "Fly to").click()
    page.get_by_role("option", name="couch").wait_for()
    assert pipeline.space.vocabulary.labels[1] == "<b>seat</b>"
    assert page.problems == []


def test_visitors_on_a_phone_and_at_desks_have_a_page_each(visit):
    phone, desk, other = visit(390, 844, has_touch=True, is_mobile=True), visit(), visit()
    for page, text in ((phone, "couch"), (desk, "chair")):
        page.get_by_text("3 objects").wait_for()
        field(page, "Find").fill(text)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.get_by_role("button", name="Ask").tap()
    desk.get_by_role("button", name="Ask").click()
    phone.get_by_role("button", name="sofa 2: 0.9").wait_for()
    desk.get_by_role("button", name="chair 4: 0.9").wait_for()
    assert [page.get_by_text("1 found; first:").inner_text() for page in (phone, desk)] == [
        "1 found; first: sofa 2",
        "1 found; first: chair 4",
    ]
    assert phone.get_by_role("tab", name="Ask").bounding_box()["y"] > 844 / 2  # the map has the upper half
    assert phone.get_by_role("button", name="sofa 2: 0.9").bounding_box()["y"] < 844
    leave(phone)

    other.get_by_role("tab", name="View").click()
    other.get_by_text("Dark", exact=True).click()
    other.locator("html[data-mantine-color-scheme=light]").wait_for()
    desk.locator("html[data-mantine-color-scheme=dark]").wait_for()
    leave(desk)
    before = picture(other)
    assert (before[0, 0] == 255).all()
    assert not is_hot(before).any()  # nobody asked on this page

    def is_changed(share):
        """Whether more than a share of the pixels changes, soon. While the camera moves, pictures are smaller."""
        pictures = (picture(other) for _ in range(10))
        return any(p.shape != before.shape or (p != before).any(axis=-1).mean() > share for p in pictures)

    def set_minimum_score(text):
        other.get_by_role("tab", name="Objects").click()
        field(other, "Minimum score", "input[@inputmode]").fill(text)
        field(other, "Minimum score", "input[@inputmode]").press("Enter")

    set_minimum_score("0.95")  # all objects have 0.9: their boxes go
    assert is_changed(0.003)
    set_minimum_score("0.5")
    assert any((picture(other) == before).mean() > 0.999 for _ in range(10))  # and come back
    other.get_by_role("tab", name="Objects").click()
    field(other, "Room").click()
    other.get_by_role("option", name="7: dining room, 6 m²").click()
    assert is_changed(0.05)  # the camera flies there
    assert other.problems == []


def test_the_page_is_served_to_this_machine_only(viewer):
    """/proc/net/tcp has the addresses in hexadecimal."""
    port = int(viewer.address.rpartition(":")[2])
    sockets = [line.split()[1] for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert {place.partition(":")[0] for place in sockets if place.endswith(f":{port:04X}")} == {"0100007F"}
    assert viewer.warning == ""
