# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: headless Chromium with software rendering."""

import shutil

import numpy as np
import pytest
from PIL import Image

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
    made = Viewer(FileSource(pipeline), port=0)
    yield made
    made.close()


@pytest.fixture
def page(browser, viewer):
    """The loaded page; `page.problems` collects errors of its console."""
    context = browser.new_context(viewport={"width": 640, "height": 480}, device_scale_factor=0.5)
    made = context.new_page()
    made.set_default_timeout(SECONDS)
    made.problems = []
    made.on("console", lambda message: made.problems.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: made.problems.append(str(error)))
    made.goto(viewer.address)
    yield made
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


def is_hot(pixels):
    """[H, W] bool: yellow pixels, the colour of the best relevancy."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    return (red > 170) & (green > 170) & (blue < 110)


def test_a_visitor_asks_saves_a_picture_and_changes_the_vocabulary(page, pipeline):
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
        moving.seek(1)
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
