# SPDX-License-Identifier: Apache-2.0
"""Settings of training runs from yaml files."""

from dataclasses import fields

from .. import SpaceformerError
from ..disk.text_files import read_yaml


def read_settings(cls, path):
    """An instance of a dataclass with the values of a yaml file, "" for the defaults. Raises SpaceformerError."""
    try:
        return cls(**(read_yaml(path) or {} if path else {}))
    except (SpaceformerError, TypeError) as error:
        known = ", ".join(field.name for field in fields(cls))
        raise SpaceformerError(f"training configuration {path}: {error}; known names: {known}") from error
