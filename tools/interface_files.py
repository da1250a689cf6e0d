# SPDX-License-Identifier: Apache-2.0
"""Reads the definitions of messages, services and actions."""

import re

PARTS = {".msg": ("",), ".srv": (".Request", ".Response"), ".action": (".Goal", ".Result", ".Feedback")}
ENTRY = re.compile(r"(?P<type>[\w/\[\]]+) +(?P<name>\w+)(?:=(?P<value>\d+))?\s*(?:#\s*(?P<text>.*))?$")


def interface_fields(folder):
    """Dict "FindObjects.Request" -> dict "query" -> {type, text}, with `value` for constants, of one folder."""
    found = {}
    for path in sorted(folder.iterdir()):
        parts = re.split(r"^---$", path.read_text(), flags=re.MULTILINE)
        for suffix, part in zip(PARTS[path.suffix], parts, strict=True):
            found[path.stem + suffix] = _fields(part)
    return found


def _fields(text):
    entries = [match.groupdict(default="") for match in map(ENTRY.match, text.splitlines()) if match]
    return {
        entry["name"]: {"type": entry["type"], "text": entry["text"]}
        | ({"value": int(entry["value"])} if entry["value"] else {})
        for entry in entries
    }
