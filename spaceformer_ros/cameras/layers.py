# SPDX-License-Identifier: Apache-2.0
"""Pictures of a view of a labelled map: instance ids, overlay on an image, numbered marks, relevancy as heat."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .. import SpaceformerError
from ..show.colors import heat_colors, shaded_gray, stable_color

LAYERS = ("color", "depth", "ids", "overlay", "marks", "relevancy")
OPACITY = 0.45  # of the colours of instances over the image
MIN_MARKED = 0.0005  # share of the image that an instance must fill to get a mark
FONT_SHARE = 1 / 24  # height of the numbers in heights of the image
BACKGROUND = 24  # gray level where nothing is seen


@dataclass(frozen=True)
class Mark:
    """A numbered mark. id: of the object; pixel: (column, row) inside what is seen of it; share: of the image."""

    id: int
    pixel: tuple
    share: float


def color_layer(view, rgb):
    """[H, W, 3] uint8 colours of the map. rgb: [N, 3] uint8 of its points."""
    return view.pick(rgb, nothing=BACKGROUND)


def depth_layer(view):
    """[H, W] float32 metres, 0 where nothing is seen."""
    return np.where(np.isfinite(view.depth), view.depth, 0).astype(np.float32)


def ids_layer(view, ids):
    """[H, W] int32 ids of the objects, 0 for none. ids: [N] int32 of the points, 0 for none."""
    return view.pick(np.asarray(ids, dtype=np.int32))


def overlay_layer(image, ids):
    """The image [H, W, 3] uint8 with each object in its own colour and an outline. ids: [H, W] int32."""
    found, place = np.unique(ids, return_inverse=True)
    colors = np.array([object_color(i) for i in found], dtype=np.float32)[place.reshape(ids.shape)]
    alpha = np.where(ids > 0, OPACITY, 0).astype(np.float32)
    alpha[outlines(ids)] = 1.0
    alpha = alpha[..., None]
    return np.rint(image * (1 - alpha) + colors * alpha).astype(np.uint8)


def object_color(object_id):
    """[3] float in 0..255: the colour of an object in every picture and in `~/markers`."""
    return 255 * np.array(stable_color(f"instance {object_id}"))


def outlines(ids):
    """[H, W] bool: pixels of an object beside a pixel of another one or of none."""
    edge = np.zeros(ids.shape, dtype=bool)
    across, down = ids[:, :-1] != ids[:, 1:], ids[:-1] != ids[1:]
    edge[:, :-1] |= across
    edge[:, 1:] |= across
    edge[:-1] |= down
    edge[1:] |= down
    return edge & (ids > 0)


def marks_of(ids):
    """Marks of the objects in an image of ids [H, W], largest first: where each object is widest."""
    marks = []
    for index, region in enumerate(ndimage.find_objects(np.maximum(ids, 0)), start=1):
        if region is None:
            continue
        inside = ids[region] == index
        share = inside.sum() / ids.size
        if share >= MIN_MARKED:
            distance = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
            row, column = np.unravel_index(distance.argmax(), inside.shape)
            marks.append(Mark(index, (int(region[1].start + column), int(region[0].start + row)), float(share)))
    return sorted(marks, key=lambda mark: -mark.share)


def marks_layer(image, ids):
    """The overlay with the id of each object written on it, for people and language models."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise SpaceformerError(f"numbered marks need the package pillow ({error}): pip install pillow") from error

    picture = Image.fromarray(overlay_layer(image, ids))
    draw, size = ImageDraw.Draw(picture), max(9, round(FONT_SHARE * ids.shape[0]))
    font = ImageFont.load_default(size)
    for mark in marks_of(ids):
        box = draw.textbbox(mark.pixel, str(mark.id), font=font, anchor="mm")
        draw.rectangle([box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2], fill=(0, 0, 0))
        draw.text(mark.pixel, str(mark.id), font=font, anchor="mm", fill=(255, 255, 255))
    return np.asarray(picture)


def relevancy_layer(view, image, relevancy):
    """The image in gray with the relevancy of its points as heat.

    relevancy: [N] float32 of the points in [0, 1]; the largest one in the view has the brightest colour.
    """
    values = view.pick(relevancy)
    top = max(float(values.max(initial=0.0)), 1e-6)
    gray = shaded_gray(image.reshape(-1, 3)).reshape(image.shape)
    return np.where(values[..., None] > 0, heat_colors(0.3 + 0.7 * values / top), gray)


def draw_layers(view, cloud, ids, wanted, relevancy=None, image=None):
    """Dict layer -> image of the wanted LAYERS. Colours are uint8 [H, W, 3].

    cloud: Cloud; ids, relevancy: [N] of its points; image: [H, W, 3] uint8 under the overlay, None: the map's colours.
    """
    seen = ids_layer(view, ids)
    image = color_layer(view, cloud.rgb) if image is None else image
    makers = {
        "color": lambda: image,
        "depth": lambda: depth_layer(view),
        "ids": lambda: seen,
        "overlay": lambda: overlay_layer(image, seen),
        "marks": lambda: marks_layer(image, seen),
        "relevancy": lambda: relevancy_layer(view, image, relevancy),
    }
    return {name: makers[name]() for name in wanted}
