# SPDX-License-Identifier: Apache-2.0
"""Types of the arguments and answers of tools, made from the definitions of messages, services and actions.

`interface_fields.json` has them in a form that is also there without ROS; tools/update_docs.py writes it.
"""

import json
import pathlib
import re
from typing import Annotated, Literal

from pydantic import Field

DEFINITIONS = json.loads((pathlib.Path(__file__).parent / "interface_fields.json").read_text())
KINDS = {"string": str, "bool": bool, "uint8": int, "uint32": int, "uint64": int, "float32": float}
RANGE = re.compile(r"(?:rad, )?(\d+)\.\.(\d+)\b")  # at the start of a comment


def field(name, kind=None, note="", **limits):
    """The annotated type of a field such as "FindObjects.Request.query". A field that can be NaN can be null here.

    kind: type where the definition names another message
    note: added to the description
    limits: of pydantic's Field, besides the range that the definition names
    """
    part, _, key = name.rpartition(".")
    kind_name, text = (DEFINITIONS[part][key][entry] for entry in ("type", "text"))
    if kind is None:
        kind = KINDS[kind_name.removesuffix("[]")]
        if kind_name.endswith("[]"):
            kind = list[kind]
        elif match := RANGE.match(text):
            limits = {"ge": int(match[1]), "le": int(match[2]), **limits}
        elif kind_name.startswith("uint"):
            limits = {"ge": 0, **limits}
    kind = Annotated[kind, Field(**limits)] if limits else kind
    words = re.sub(r"\bNaN\b", "null", text) + (f"; {note}" if note else "")
    if re.search(r"\bNaN\b", text):
        kind = kind | None
    return Annotated[kind, Field(description=words)]


def constants(name, without=()):
    """Dict constant -> comment of an interface such as "ResultCode". without: words of comments that exclude one."""
    entries = {key: entry["text"] for key, entry in DEFINITIONS[name].items() if "value" in entry}
    return {key: text for key, text in entries.items() if not any(word in text for word in without)}


def choice(names, description):
    """The type of one of some texts."""
    return Annotated[Literal[tuple(names)], Field(description=description)]
