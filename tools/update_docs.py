#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the files that are generated from the code.

config/params.yaml and its JSON schema, docs/parameters.md, and the tables of docs/scene_format.md.

Usage: tools/env.sh python tools/update_docs.py. A test fails if they are outdated.
"""

import json
import pathlib
import re
import sys
from itertools import groupby

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from spaceformer_ros.config import Config, all_settings  # noqa: E402
from spaceformer_ros.scene.format import ARRAYS, HEADER  # noqa: E402

PAGE_HEAD = """# Parameters

Written by `tools/update_docs.py` from `spaceformer_ros/config.py`, like `config/params.yaml`. On the command line the
same names are set with `--set NAME=VALUE`. A value out of range is refused with the reason.

*On configure*: read when the node is configured; *at run time*: can be changed with `ros2 param set` at any time.

`vocabulary_file` is a yaml file with `labels` (`"sofa|couch"` makes couch a synonym of sofa), `background` (labels that
are matched but not published) and `templates` (sentences around a label whose embeddings are averaged), or a plain list
of labels, one per line; see `config/vocabulary_indoor.yaml`. Embeddings are cached on disk by text model, revision and
templates."""


JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
# Parameters that ROS itself declares.
FREE_NAMES = {"^(use_sim_time$|start_type_description_service$|qos_overrides\\b)": {}}


def plain(value):
    """A default as it is written in yaml."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def limits(info):
    """Range or choices of a setting in words."""
    low, high, choices = (info.metadata[key] for key in ("low", "high", "choices"))
    if choices:
        return ", ".join(choices)
    if low is None:
        return ""
    return f"{low:g} to {high:g}"


def params_yaml():
    """The text of config/params.yaml: every parameter with its default and meaning."""
    lines = [
        "# yaml-language-server: $schema=params.schema.json",
        "# Every parameter of the node with its default, written by tools/update_docs.py from config.py.",
        "# Copy it, keep the lines that you change, and start the node with params_file:=<your file>.",
        "/**:",
        "  ros__parameters:",
    ]
    group = None
    for name, info in all_settings():
        if name != group:
            group = name
            lines += ["", f"    # {getattr(Config(), group).__doc__.splitlines()[0]}"]
        unit = f" [{info.metadata['unit']}]" if info.metadata["unit"] else ""
        lines += [f"    # {info.metadata['text']}{unit}", f"    {info.name}: {plain(info.default)}"]
    return "\n".join([*lines, ""])


def params_schema():
    """The text of config/params.schema.json, with which editors check and complete parameter files."""
    names = {info.name: schema_of(info) for _, info in all_settings()}
    parameters = {"type": "object", "properties": names, "patternProperties": FREE_NAMES, "additionalProperties": False}
    node = {"type": "object", "required": ["ros__parameters"], "properties": {"ros__parameters": parameters}}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Parameters of spaceformer_node, written by tools/update_docs.py from config.py",
        "type": "object",
        "properties": {"/**": node, "spaceformer": node, "/spaceformer": node},
    }
    return json.dumps(schema, indent=2) + "\n"


def schema_of(info):
    """The JSON schema of one setting."""
    value = list(info.default) if isinstance(info.default, tuple) else info.default
    low, high, choices = (info.metadata[key] for key in ("low", "high", "choices"))
    unit = f" [{info.metadata['unit']}]" if info.metadata["unit"] else ""
    schema = {"description": info.metadata["text"] + unit, "default": value}
    if isinstance(value, list):
        return {**schema, "type": "array", "items": {"type": JSON_TYPES[type(value[0])]}}
    schema["type"] = JSON_TYPES[type(value)]
    if choices:
        schema["enum"] = list(choices)
    if low is not None:
        schema.update(minimum=low, maximum=high)
    return schema


def parameters_page():
    """The text of docs/parameters.md: one table for each stage."""
    lines = [PAGE_HEAD]
    for group, settings in groupby(all_settings(), key=lambda row: row[0]):
        title = getattr(Config(), group).__doc__.splitlines()[0].rstrip(".")
        lines += ["", f"## {title}", "", "| Parameter | Default | Range | Changes | Meaning |", "|---|---|---|---|---|"]
        lines += [table_row(info) for _, info in settings]
    return "\n".join([*lines, ""])


def table_row(info):
    """The line of one setting in a markdown table."""
    unit = f" {info.metadata['unit']}" if info.metadata["unit"] else ""
    changes = "at run time" if info.metadata["dynamic"] else "on configure"
    text, default = (words.replace("|", "\\|") for words in (info.metadata["text"], plain(info.default)))
    return f"| `{info.name}` | `{default}`{unit} | {limits(info)} | {changes} | {text} |"


def scene_format(text):
    """docs/scene_format.md with its tables of arrays and header fields as they should be."""
    arrays = [
        f"| `{name}` | {column.dtype.__name__} | {', '.join(map(str, column.shape))} | {column.text} |"
        for name, column in ARRAYS.items()
    ]
    fields = [
        f"| `{name}` | {field.kind.__name__} | {field.text} |".replace("`|`", "`\\|`") for name, field in HEADER.items()
    ]
    for heading, rows in (("| Array | Type | Shape | Content |", arrays), ("| Field | Type | Content |", fields)):
        table = re.compile(re.escape(heading) + r"\n\|[-|]+\n(\|.*\n)+")
        columns = "|---" * (heading.count("|") - 1) + "|"
        lines = "\n".join([heading, columns, *rows, ""])
        text = table.sub(lambda _, lines=lines: lines, text)
    return text


def outputs():
    """Dict path -> text of everything that this script writes."""
    format_path = ROOT / "docs" / "scene_format.md"
    return {
        ROOT / "config" / "params.yaml": params_yaml(),
        ROOT / "config" / "params.schema.json": params_schema(),
        ROOT / "docs" / "parameters.md": parameters_page(),
        format_path: scene_format(format_path.read_text()),
    }


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text)
        print(path)
