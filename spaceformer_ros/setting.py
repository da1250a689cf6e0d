# SPDX-License-Identifier: Apache-2.0
"""Declaration of a setting, and validation of its values. The settings themselves are in config.py."""

import math
import re
import string
from dataclasses import field

from . import SpaceformerError
from .geometry.footprint import footprint_of

KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
KIND_NAMES = {str: "strings", float: "numbers"}  # for the items of lists
EXAMPLES = {str: 'such as ["sofa", "chair"]', float: "such as [0.0, 0.0, 0.0, 5.0, 5.0, 3.0]"}
MARKER_KEYS = {
    "label": "chair",
    "confidence": "0.50",
    "score": 0.5,
    "id": 1,
    "size": "1.0 x 1.0 x 1.0 m",
}  # key -> example value
MAX_MARKER_TEXT = 200  # characters
MAX_NAME = 200  # characters of names of maps, frames and topics
TOPIC = re.compile(r"(~?/)?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)  # names of topics and namespaces in ROS 2


def setting(default, text, unit="", low=None, high=None, choices=None, dynamic=True):
    """A dataclass field with its documentation. `dynamic` settings may change while the node runs."""
    info = {"text": text, "unit": unit, "low": low, "high": high, "choices": choices, "dynamic": dynamic}
    return field(default=default, metadata=info)


def fixed(default, text, **info):
    """A setting that is read once, when the node is configured."""
    return setting(default, text, dynamic=False, **info)


def check_value(info, value):
    """`value` converted to the setting's type. Raises SpaceformerError for a wrong type or a value out of range."""
    if info.type is tuple:
        return _check_list(info, value)
    if info.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if value is False and "off" in (info.metadata["choices"] or ()):  # as yaml reads the word
        value = "off"
    if type(value) is not info.type:
        raise SpaceformerError(f"{info.name}: {value!r} is not {KINDS[info.type]}{_type_hint(info, value)}")
    low, high, choices = (info.metadata[key] for key in ("low", "high", "choices"))
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        raise SpaceformerError(f"{info.name}: {value} is outside [{low}, {high}]")
    if choices and value not in choices:
        raise SpaceformerError(f"{info.name}: {value!r} is not one of {', '.join(choices)}")
    return value


def _type_hint(info, value):
    """How to write a string that yaml reads as another type: y, on and off are booleans there, 12 is a number."""
    if info.type is str and isinstance(value, list):
        return f'; write it in quotes, such as "{value}"'
    if info.type is not str or not isinstance(value, (bool, int, float)):
        return ""
    example = value if type(value) is not bool else next(iter(info.metadata["choices"] or ("on",)))
    return f'; write it in quotes, such as "{example}": yaml reads words like y, on and off as true or false'


def _check_list(info, value):
    """`check_value` for a list. Integers are accepted as numbers."""
    kind = type(info.default[0])
    if not isinstance(value, (list, tuple)):
        raise SpaceformerError(f"{info.name}: {value!r} is not a list of {KIND_NAMES[kind]}, {EXAMPLES[kind]}")
    if kind is float:
        value = [float(item) if type(item) is int else item for item in value]
    if any(type(item) is not kind for item in value):
        is_word = kind is str and any(type(item) is bool for item in value)
        hint = "; write words like y, on and off in quotes: yaml reads them as true or false" if is_word else ""
        raise SpaceformerError(
            f"{info.name}: {list(value)} is not a list of {KIND_NAMES[kind]}, {EXAMPLES[kind]}{hint}"
        )
    return tuple(value)


def check_together(config):
    """Check the constraints between several values. Raises SpaceformerError."""
    roi = config.input.roi
    if len(roi) != 6:
        raise SpaceformerError(f"roi: {len(roi)} numbers, expected 6: min x, y, z, max x, y, z")
    if not all(map(math.isfinite, roi)):
        raise SpaceformerError(f"roi: {list(roi)} has values that are not finite; use large numbers for open sides")
    if any(roi) and not all(low < high for low, high in zip(roi[:3], roi[3:])):
        raise SpaceformerError(f"roi: the minimum {roi[:3]} must be below the maximum {roi[3:]} on every axis")
    if not config.camera.depth_near < config.camera.depth_far:
        raise SpaceformerError(
            f"depth_near {config.camera.depth_near:g} m must be below depth_far {config.camera.depth_far:g} m"
        )
    check_marker_text(config.output.marker_text)
    _check_frames(config)
    _check_cameras(config.camera)
    _check_image_cameras(config.views.image_cameras)
    _check_topic("costmap_topic", config.navigation.costmap_topic, may_be_empty=True)
    robot_footprint(config.scene)
    map_id = config.scene.map_id
    if len(map_id) > MAX_NAME or not map_id.isprintable():
        raise SpaceformerError(
            f"map_id: {map_id[:40]!r} is not a name of at most {MAX_NAME} characters without control characters"
        )


def robot_footprint(scene):
    """The Footprint of a SceneConfig. Raises SpaceformerError for what is not the outline of a robot."""
    return footprint_of(scene.footprint, scene.robot_radius)


def _check_frames(config):
    """Frames of TF: no leading slash, which tf2 refuses; where TF is always used, a name."""
    frames = {
        "fixed_frame": (config.input.fixed_frame, True),
        "robot_frame": (config.navigation.robot_frame, True),
        "target_frame": (config.output.target_frame, False),
        "load_frame": (config.storage.load_frame, False),
    }
    for name, (frame, is_needed) in frames.items():
        if frame.startswith("/"):
            raise SpaceformerError(f"{name}: {frame[:MAX_NAME]!r} starts with a slash, write {frame[1:MAX_NAME]!r}")
        if is_needed and not frame:
            raise SpaceformerError(f"{name} is empty: give the name of a frame on /tf, such as map or base_link")
        if len(frame) > MAX_NAME or frame != frame.strip() or not frame.isprintable():
            raise SpaceformerError(
                f"{name}: {frame[:40]!r} is not the name of a frame: it has blanks around it, control "
                f"characters or more than {MAX_NAME} characters"
            )


def _check_cameras(camera):
    if not camera.cameras:
        raise SpaceformerError(
            'cameras: the list is empty; give one namespace for each camera, such as ["/camera/camera"]'
        )
    for name in camera.cameras:
        _check_topic("cameras", name)
    if len(set(camera.cameras)) < len(camera.cameras):
        raise SpaceformerError(f"cameras: {list(camera.cameras)} names a camera twice")
    _check_topic("color_topic", camera.color_topic)
    _check_topic("depth_topic", camera.depth_topic)


def _check_image_cameras(names):
    if not names:
        raise SpaceformerError('image_cameras: the list is empty; [""] is one camera, with the topics ~/input/...')
    for name in names:
        if name and not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
            raise SpaceformerError(f"image_cameras: {name!r} cannot be part of a topic name: use letters, digits and _")


def _check_topic(setting_name, name, may_be_empty=False):
    if not (may_be_empty and not name) and not (len(name) <= MAX_NAME and TOPIC.fullmatch(name.rstrip("/"))):
        raise SpaceformerError(
            f"{setting_name}: {name[:MAX_NAME]!r} is not a name in ROS 2, which has letters, digits and _ between "
            "slashes, such as /camera/color"
        )


def check_marker_text(text):
    """Raise SpaceformerError unless a format has only the known keys and gives a short text."""
    keys = f"keys: {', '.join(MARKER_KEYS)}"
    try:
        parts = list(string.Formatter().parse(text))
        unknown = [key for _, key, _, _ in parts if key is not None and key not in MARKER_KEYS]
        if unknown:
            raise SpaceformerError(f"marker_text: {text!r} cannot be formatted (unknown key {unknown[0]!r}); {keys}")
        if len(text) > MAX_MARKER_TEXT or any(re.search(r"\d{3}|{", spec or "") for _, _, spec, _ in parts):
            raise SpaceformerError(f"marker_text: {text[:100]!r} is longer or padded more than supported; {keys}")
        if not text.format(**MARKER_KEYS).replace("\n", "").isprintable():
            raise SpaceformerError(f"marker_text: {text!r} has control characters other than line breaks")
    except (ValueError, TypeError) as error:
        raise SpaceformerError(f"marker_text: {text!r} cannot be formatted ({error}); {keys}") from error
