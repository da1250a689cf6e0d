#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the files that are generated from the code.

config/params.yaml and its JSON schema, docs/parameters.md, the tables of docs/scene_format.md, the limits in
docs/security.md, and the definitions from which the schemas of the tools for agents are made.

Usage: tools/env.sh python tools/update_docs.py. A test fails if they are outdated.
"""

import json
import pathlib
import re
import sys
from itertools import groupby

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from spaceformer_ros.clouds import surface  # noqa: E402
from spaceformer_ros.clouds.formats import meshes, npz, ply_faces  # noqa: E402
from spaceformer_ros.clouds.formats.declared import LAZ_RATIO  # noqa: E402
from spaceformer_ros.clouds.pointcloud2 import MAX_FIELDS  # noqa: E402
from spaceformer_ros.config import Config, all_settings  # noqa: E402
from spaceformer_ros.disk import text_files  # noqa: E402
from spaceformer_ros.evaluation import scannet  # noqa: E402
from spaceformer_ros.ros import limits as request_limits  # noqa: E402
from spaceformer_ros.ros import text as text_limits  # noqa: E402
from spaceformer_ros.scene import tensor_file  # noqa: E402
from spaceformer_ros.scene.columns import MAX_METRES  # noqa: E402
from spaceformer_ros.scene.data_dir import MAX_PATH  # noqa: E402
from spaceformer_ros.scene.find import MAX_TEXTS  # noqa: E402
from spaceformer_ros.scene.format import ARRAYS, HEADER, MAX_COUNT_READ, MAX_SIZE, MAX_TEXT  # noqa: E402
from spaceformer_ros.setting import MAX_MARKER_TEXT  # noqa: E402
from spaceformer_ros.words import vocabulary  # noqa: E402
from tools.interface_files import interface_fields  # noqa: E402

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
    return with_tables(text, {"| Array | Type | Shape | Content |": arrays, "| Field | Type | Content |": fields})


def with_tables(text, tables):
    """A document with other rows in some of its tables: dict heading line -> lines."""
    for heading, rows in tables.items():
        table = re.compile(re.escape(heading) + r"\n\|[-|]+\n(\|.*\n)*")
        columns = "|---" * (heading.count("|") - 1) + "|"
        lines = "\n".join([heading, columns, *rows, ""])
        text = table.sub(lambda _, lines=lines: lines, text)
    return text


def security(text):
    """docs/security.md with its tables of limits as they should be."""
    rate = Config().node.max_queries_per_second
    requests = {
        "requests per second, all services together": f"`max_queries_per_second` ({rate:g}); more are answered with "
        "`RATE_LIMITED`, or `success` false",
        "requests that wait, per service": f"{request_limits.MAX_PENDING}",
        "characters of a label or query": f"{vocabulary.MAX_TEXT_LENGTH}, no control characters, joiners in spelling "
        "only",
        "labels of a vocabulary; labels and synonyms": f"{vocabulary.MAX_LABELS:,}; {vocabulary.MAX_PHRASES:,}",
        "texts of one `~/find_objects`; of one `~/embed_text`": f"{MAX_TEXTS}; {request_limits.MAX_EMBED_TEXTS:,}",
        "seconds of embedding for one request": f"{request_limits.EMBED_SECONDS:g}, then `TIMEOUT`; what is done stays "
        "cached",
        "seconds of one `~/save` or `~/load`": f"{request_limits.DISK_SECONDS:g}, then `TIMEOUT`",
        "objects of one `~/find_objects` that approach poses are searched for": f"{request_limits.MAX_APPROACHES}",
        "pixels of all layers of one `~/render_view`; of all that wait": f"{request_limits.MAX_VIEW_PIXELS:,}; "
        f"{request_limits.MAX_WAITING_PIXELS:,}, then `RATE_LIMITED`",
        "ids, and labels, of one `~/get_instances`": f"{request_limits.MAX_SELECTED:,}",
        "characters of a path": f"{MAX_PATH}, no control characters",
        "characters of a reply's message; of a state or diagnostics value": f"{request_limits.MAX_MESSAGE_LENGTH:,}; "
        f"{text_limits.MAX_LENGTH}, control characters escaped",
        "characters of `marker_text`": f"{MAX_MARKER_TEXT}",
        "fields of a cloud": f"{MAX_FIELDS:,}",
        "points, voxels": "`max_points`, `max_voxels`, `accumulate_max_voxels`",
    }
    files = {
        "vocabulary, classes, JSON": f"{size(text_files.MAX_BYTES)}, {text_files.MAX_DEPTH} nested levels, no yaml "
        "aliases",
        "`vocabulary_file` as a parameter": f"{request_limits.FILE_SECONDS:g} s",
        "prompt templates": f"{vocabulary.MAX_TEMPLATES} of {vocabulary.MAX_TEMPLATE_LENGTH:,} characters",
        "ScanNet's text format": size(scannet.MAX_BYTES),
        "LAS, LAZ": "points, records, chunks and the layers of chunks must fit the size of the file, "
        f"unpacked {LAZ_RATIO} times it",
        "meshes": f"{size(meshes.MAX_MESH_BYTES)}, {surface.MAX_POINTS:,} points every {surface.MAX_SPACING} m "
        f"at most; of PLY {ply_faces.MAX_FACES:,} triangles; the chunks of GLB must fit the file; "
        f"files that it names {size(meshes.MAX_TEXTURE_BYTES)}, from its folder",
        "arrays of NPZ": f"refused above {size(npz.MAX_EXPANDED)} if they expand more than {npz.MAX_RATIO} times",
        "scene": f"{size(tensor_file.MAX_BYTES)}, header {size(tensor_file.MAX_HEADER)}; texts {MAX_TEXT:,} "
        f"characters; ids, revisions and counts {MAX_COUNT_READ:,}; positions {MAX_METRES:g} m, sides of boxes "
        f"{MAX_SIZE:g} m",
    }
    rows = [[f"| {what} | {limit} |" for what, limit in table.items()] for table in (requests, files)]
    return with_tables(text, {"| Request | Limit |": rows[0], "| File | Limit |": rows[1]})


def size(num_bytes):
    """Bytes in the largest unit, e.g. "4 MiB"."""
    return f"{num_bytes >> 30} GiB" if num_bytes >= 1 << 30 else f"{num_bytes >> 20} MiB"


def definitions():
    """The text of agents/interface_fields.json: every field of our messages, services and actions."""
    fields = {}
    for folder in ("action", "msg", "srv"):
        fields |= interface_fields(ROOT / folder)
    return json.dumps(fields, indent=1) + "\n"


def outputs():
    """Dict path -> text of everything that this script writes."""
    format_path, security_path = ROOT / "docs" / "scene_format.md", ROOT / "docs" / "security.md"
    return {
        ROOT / "config" / "params.yaml": params_yaml(),
        ROOT / "config" / "params.schema.json": params_schema(),
        ROOT / "docs" / "parameters.md": parameters_page(),
        format_path: scene_format(format_path.read_text()),
        security_path: security(security_path.read_text()),
        ROOT / "spaceformer_ros" / "agents" / "interface_fields.json": definitions(),
    }


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text)
        print(path)
