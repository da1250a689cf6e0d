# SPDX-License-Identifier: Apache-2.0
"""Read untrusted text, JSON and yaml files with limits on size, nesting and time."""

import functools
import json
import re

from .. import SpaceformerError
from .paths import display_path
from .reading import read_regular_file

MAX_BYTES = 4 << 20  # of a text file that is read as a whole
EXPONENT = re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d+$")  # 1e-3, which yaml 1.1 reads as text
MAX_DEPTH = 50  # of nested lists and mappings


def read_text(path, max_bytes=MAX_BYTES):
    """The content of a UTF-8 file, with or without byte-order mark. Raises SpaceformerError."""
    try:
        return read_regular_file(path, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpaceformerError(f"{display_path(path)} is not UTF-8 text (byte {error.start})") from error


def read_json(path, max_bytes=MAX_BYTES):
    """The content of a JSON file. Raises SpaceformerError."""
    try:
        return json.loads(read_text(path, max_bytes))
    except (ValueError, RecursionError) as error:
        raise SpaceformerError(f"{display_path(path)} is not JSON: {_reason(error)}") from error


def read_yaml(path, max_bytes=MAX_BYTES):
    """The content of a yaml file; see `parse_yaml`."""
    return parse_yaml(read_text(path, max_bytes), display_path(path))


def parse_yaml(text, name):
    """The content of a yaml text. `name`: its source, for error messages. Raises SpaceformerError.

    Numbers such as 1e-3 are numbers, as in yaml 1.2. Aliases are refused, because a few hundred bytes of them
    can expand to gigabytes.
    """
    import yaml

    loader = _loader()
    try:
        _check_events(yaml.parse(text, Loader=loader))
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise SpaceformerError(f"{name} is not valid yaml: {_reason(error)}") from error


@functools.cache
def _loader():
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """A safe loader that reads numbers with an exponent."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("+-0123456789"))
    return Loader


def _check_events(events):
    """Refuse aliases and deep nesting before the document is built: building is recursive, parsing is not."""
    import yaml

    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"line {event.start_mark.line + 1} has an alias (*), write the value instead")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise ValueError(f"line {event.start_mark.line + 1} is nested more than {MAX_DEPTH} levels deep")


def _reason(error):
    return "too deeply nested" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
