# SPDX-License-Identifier: Apache-2.0
"""Pictures and recordings of what a visitor sees, drawn by the visitor's browser."""

import io
import threading
import time

import numpy as np
from PIL import Image

from .. import SpaceformerError
from ..show.pictures import BACKGROUND

PICTURE_SECONDS = 20.0  # that a browser may take to draw a picture
MAX_SECONDS = 30.0  # of a recording
PERIOD = 0.1  # seconds between frames, more where a browser is slow
MAX_HEIGHT = 480  # pixels of a recording
COLORS = 128  # of a frame: GIF allows 256


def picture(client, dark, max_height=None):
    """What a client sees, as an RGB Image. Raises SpaceformerError if the browser does not draw it.

    dark: background; max_height: pixels, None: as large as the window
    """
    height, width = client.camera.image_height, client.camera.image_width
    share = min(1.0, max_height / height) if max_height else 1.0
    size = max(1, round(share * height)), max(1, round(share * width))
    try:
        pixels = client.get_render(*size, transport_format="png", timeout=PICTURE_SECONDS)
    except (RuntimeError, TimeoutError) as error:
        raise SpaceformerError(f"the browser did not draw the picture: {error}") from error
    drawn = Image.fromarray(pixels)
    paper = Image.new("RGBA", drawn.size, BACKGROUND if dark else "white")
    return Image.alpha_composite(paper, drawn).convert("RGB")


def png(image):
    """The bytes of an Image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class Recording:
    """Records what a client sees until `stop`, at most MAX_SECONDS long."""

    def __init__(self, client, dark, on_end):
        """on_end: called once with the bytes of a GIF, or with the SpaceformerError that ended the recording."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(client, dark, on_end), daemon=True)
        self._thread.start()

    def stop(self):
        """End the recording; `on_end` follows soon."""
        self._ended.set()

    def _run(self, client, dark, on_end):
        try:
            on_end(gif(*self._frames(client, dark)))
        except SpaceformerError as error:
            on_end(error)

    def _frames(self, client, dark):
        """(Images, [n] seconds that each was visible), at least one."""
        frames, times, start = [], [], time.monotonic()
        while not (frames and self._ended.is_set()) and time.monotonic() - start < MAX_SECONDS:
            times.append(time.monotonic())
            frames.append(picture(client, dark, MAX_HEIGHT).quantize(COLORS))
            self._ended.wait(max(0.0, times[-1] + PERIOD - time.monotonic()))
        times.append(time.monotonic())
        return frames, np.diff(times)


def gif(frames, seconds):
    """The bytes of Images, each visible for some seconds, as an animation that repeats."""
    buffer, first = io.BytesIO(), frames[0]
    same = [frame if frame.size == first.size else frame.resize(first.size) for frame in frames]  # a turned phone
    durations = [max(20, round(1000 * value)) for value in seconds]
    first.save(buffer, "GIF", save_all=True, append_images=same[1:], duration=durations, loop=0)
    return buffer.getvalue()
