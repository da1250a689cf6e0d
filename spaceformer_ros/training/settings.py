# SPDX-License-Identifier: Apache-2.0
"""Settings of training runs from yaml files."""

import math
from dataclasses import fields

from .. import SpaceformerError
from ..config import Config
from ..disk.paths import cache_folder
from ..disk.text_files import read_yaml
from ..synthetic.assets import default_folder

KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
PRECISIONS = "auto", "bfloat16", "float32"
MAY_BE_ZERO = ("seed", "validate_every", "captions_per_object")  # ends of the names of integers that are not 0
ABOVE_ZERO = ("learning_rate", "scale", "warm_up_share", "gradient_norm")
UP_TO_ONE = ("share", "decay", "dropout", "smoothing")  # ends of the names of numbers


def read_settings(cls, path):
    """An instance of a dataclass with the values of a yaml file, "" for the defaults. Raises SpaceformerError."""
    try:
        return settings_of(cls, read_yaml(path) or {} if path else {})
    except SpaceformerError as error:
        raise SpaceformerError(f"training configuration {path}: {error}") from error


def settings_of(cls, values, *others):
    """An instance of a dataclass with some values. Raises SpaceformerError for unknown names and unusable values.

    others: names that the file may have, too
    """
    if not isinstance(values, dict):
        raise SpaceformerError("expected lines with a name, a colon and a value")
    known = {field.name: field for field in fields(cls)}
    for name, value in values.items():
        if name not in known:
            raise SpaceformerError(f"unknown name {str(name)[:40]!r}; known names: {', '.join([*others, *known])}")
        _check(name, known[name].default, value)
    return cls(**values)


def _check(name, default, value):
    """Raise SpaceformerError unless a value has the type of the default and is in range."""
    kind, found = type(default), str(value)[:40]
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise SpaceformerError(f"{name} is {found!r}, expected {KINDS[kind]}")
    if name == "precision" and value not in PRECISIONS:
        raise SpaceformerError(f"{name} is {found!r}, expected one of {', '.join(PRECISIONS)}")
    if kind not in (int, float):
        return
    low = 1 if kind is int and default and not name.endswith(MAY_BE_ZERO) else 0
    high = 1 if kind is float and name.endswith(UP_TO_ONE) else math.inf
    if not low <= value <= high or value == math.inf or (name in ABOVE_ZERO and not value):
        least = "above 0" if name in ABOVE_ZERO else f"of {low} or more"
        most = f", at most {high}" if high < math.inf else ""
        raise SpaceformerError(f"{name} is {found}, expected a number {least}{most}")


def asset_folder(config):
    """Path of the asset cache of a run: its setting `asset_folder`, or the default one."""
    return str(config.asset_folder or default_folder(cache_folder(Config().model)))
