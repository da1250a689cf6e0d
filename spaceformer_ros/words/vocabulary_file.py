# SPDX-License-Identifier: Apache-2.0
"""Vocabulary files: labels, background and prompt templates in yaml."""

from .. import SpaceformerError, suggestion
from ..disk.paths import display_path, expand_user, find_config
from ..disk.text_files import read_text, read_yaml
from .vocabulary import Vocabulary, check_templates

VOCABULARY_FILE = "vocabulary_indoor.yaml"


def vocabulary_of(config):
    """The Vocabulary of a VocabularyConfig: its lists, or the file's if they are [""]. Raises SpaceformerError."""
    content = read_vocabulary_file(config.vocabulary_file)
    labels, background = (
        content[key] if tuple(values) == ("",) else list(values)
        for key, values in (("labels", config.vocabulary), ("background", config.background_labels))
    )
    return Vocabulary.parse(labels, background)


def read_vocabulary_file(path=""):
    """A vocabulary file as a dict with lists `labels`, `background` and `templates`, and the dict `rooms`.

    Raises SpaceformerError.
    """
    try:
        path = expand_user(path) if path else find_config(VOCABULARY_FILE)
        content = read_yaml(path)
    except SpaceformerError as error:
        raise SpaceformerError(f"vocabulary_file: {error}") from error
    name = display_path(path)
    if isinstance(content, list):
        content = {"labels": content}
    if isinstance(content, str):  # one label per line, and comments
        lines = [line.strip() for line in read_text(path).splitlines()]
        content = {"labels": [line for line in lines if line and not line.startswith("#")]}
    if not isinstance(content, dict) or not content.get("labels"):
        raise SpaceformerError(
            f"vocabulary_file {name} has no list `labels`; see the format in config/{VOCABULARY_FILE}"
        )
    defaults = {"labels": [], "background": [], "templates": ["{}"]}
    for key in content.keys() - {*defaults, "rooms"}:
        known = [*defaults, "rooms"]
        hint = suggestion(str(key), known) or f"; keys are {', '.join(known)}"
        raise SpaceformerError(f"vocabulary_file {name}: there is no key {str(key)[:40]!r}{hint}")
    result = {key: content.get(key) or default for key, default in defaults.items()}
    for key, value in result.items():
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise SpaceformerError(f"vocabulary_file {name}: `{key}` must be a list of strings")
    result["rooms"] = _rooms(content.get("rooms"), name)
    try:
        check_templates(result["templates"])
    except SpaceformerError as error:
        raise SpaceformerError(f"vocabulary_file {name}: {error}") from error
    return result


def _rooms(rooms, name):
    """Names of rooms with the labels that speak for them; those of VOCABULARY_FILE for a file without them."""
    if rooms is None:
        rooms = read_yaml(find_config(VOCABULARY_FILE))["rooms"]
    valid = isinstance(rooms, dict) and all(
        isinstance(room, str) and isinstance(labels, list) and all(isinstance(label, str) for label in labels)
        for room, labels in rooms.items()
    )
    if not valid:
        raise SpaceformerError(f"vocabulary_file {name}: `rooms` must map names of rooms to lists of labels")
    return rooms
