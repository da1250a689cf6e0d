#!/usr/bin/env python3
"""Write what is derived from the code: config/params.yaml and the parameter table of the README.

Usage: tools/env.sh python tools/update_docs.py. A test fails when they are out of step.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from spaceformer_ros.config import Config, all_settings  # noqa: E402

BEGIN, END = "<!-- parameters: written by tools/update_docs.py -->", "<!-- end of parameters -->"


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


def parameter_table():
    """The README's table of parameters."""
    rows = ["| Parameter | Default | Range | Changes | Meaning |", "|---|---|---|---|---|"]
    for _, info in all_settings():
        unit = f" {info.metadata['unit']}" if info.metadata["unit"] else ""
        changes = "at run time" if info.metadata["dynamic"] else "on configure"
        text = info.metadata["text"].replace("|", "\\|")
        default = plain(info.default).replace("|", "\\|")
        rows.append(f"| `{info.name}` | `{default}`{unit} | {limits(info)} | {changes} | {text} |")
    return "\n".join(rows)


def readme(text):
    """The README with its parameter table as it should be."""
    table = f"{BEGIN}\n{parameter_table()}\n{END}"
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: table, text, flags=re.DOTALL)


def outputs():
    """Dict path -> text of everything that this script writes."""
    path = ROOT / "README.md"
    return {ROOT / "config" / "params.yaml": params_yaml(), path: readme(path.read_text())}


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text)
        print(path)
