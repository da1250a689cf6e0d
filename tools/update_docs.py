#!/usr/bin/env python3
"""Write what is derived from config.py: config/params.yaml and docs/parameters.md.

Usage: tools/env.sh python tools/update_docs.py. A test fails when they are out of step.
"""

import json
import pathlib
import sys
from itertools import groupby

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from spaceformer_ros.config import Config, all_settings  # noqa: E402

PAGE_HEAD = """# Parameters

Written by `tools/update_docs.py` from `spaceformer_ros/config.py`, like `config/params.yaml`. On the command line the
same names are set with `--set NAME=VALUE`. A value out of range is refused with the reason.

*On configure*: read when the node is configured; *at run time*: can be changed with `ros2 param set` at any time.

`vocabulary_file` is a yaml file with `labels` (`"sofa|couch"` makes couch a synonym of sofa), `background` (labels that
are matched but not published) and `templates` (sentences around a label whose embeddings are averaged), or a plain list
of labels, one per line; see `config/vocabulary_indoor.yaml`. Embeddings are cached on disk by text model, revision and
templates."""


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


def outputs():
    """Dict path -> text of everything that this script writes."""
    return {ROOT / "config" / "params.yaml": params_yaml(), ROOT / "docs" / "parameters.md": parameters_page()}


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text)
        print(path)
