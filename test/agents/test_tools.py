# SPDX-License-Identifier: Apache-2.0
"""The tools of the MCP server, in this process, through the SDK's own client."""

import asyncio
import base64
import dataclasses
import io
import json
from typing import get_args

import numpy as np
import pytest
from helpers.agents import answer, ask, mcp, refusal
from helpers.paths import ROOT
from PIL import Image

from spaceformer_ros.agents.answers import Code
from spaceformer_ros.agents.server import SCENE, make_server
from spaceformer_ros.agents.tools import Operation
from spaceformer_ros.layout.structure import Layout, Room, Storey
from spaceformer_ros.sources.files import FileSource
from spaceformer_ros.sources.source import NoMapYet

TYPES = {
    "string": "string",
    "bool": "boolean",
    "uint32": "integer",
    "float32": "number",
    "string[]": "array",
    "uint32[]": "array",
}


def interface_fields():
    return json.loads((ROOT / "spaceformer_ros" / "agents" / "interface_fields.json").read_text())


class OtherSource(FileSource):
    """A FileSource whose snapshots are changed, with a robot."""

    def __init__(self, pipeline, change=None):
        super().__init__(pipeline)
        self.change, self.trips = change, []

    def snapshot(self):
        if self.change is None:
            raise NoMapYet("waiting for a cloud")
        return dataclasses.replace(super().snapshot(), **self.change)

    def robot_pose(self):
        return np.array([0.0, 1.0, 0.0]), -np.pi / 2

    def go_to(self, text="", object_id=0, **limits):
        self.trips.append((text, object_id, limits["standoff"]))
        return "driving"


@pytest.fixture
def server(pipeline):
    return make_server(FileSource(pipeline), changes=True)


def ids(pipeline):
    return {item.label: item.id for item in pipeline.scene.objects}


def test_tools_are_read_only_unless_asked_for(pipeline):
    async def tools(server):
        async with mcp.Client(server) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    offered = asyncio.run(tools(make_server(FileSource(pipeline))))
    assert not {"set_vocabulary", "edit_object", "go_to", "cancel"} & set(offered)
    for tool in offered.values():
        assert tool.annotations.read_only_hint
        assert len(tool.description) > 20
    assert offered["find_objects"].input_schema["required"] == ["query"]
    everything = asyncio.run(tools(make_server(FileSource(pipeline), changes=True, motion=True)))
    assert set(everything) - set(offered) == {"set_vocabulary", "edit_object", "go_to", "cancel"}


# What a tool has and no message, service or action: names of arguments and of fields of answers.
OWN = {
    *("object_id", "object_ids", "label", "page", "pages", "total", "position", "heading", "pose", "frame", "nearest"),
    *("colors", "name", "share", "center", "low", "high", "objects", "labels", "rooms", "vocabulary", "code", "gap"),
    *("matches", "operation", "status"),
}


def test_schemas_are_those_of_the_services(pipeline):
    """Every argument and field has name, type, range and meaning of a field in action/, msg/ or srv/, or is in OWN."""

    async def tools():
        async with mcp.Client(make_server(FileSource(pipeline), changes=True, motion=True)) as client:
            return (await client.list_tools()).tools

    known, seen = {}, set()
    for part, fields in interface_fields().items():
        for name, entry in fields.items():
            known.setdefault(name, []).append((part, entry["type"], entry["text"].replace("NaN", "null")))
    for tool in asyncio.run(tools()):
        schemas = [tool.input_schema, tool.output_schema or {}]
        schemas += [schema for one in schemas for schema in one.get("$defs", {}).values()]
        for name, schema in [row for one in schemas for row in one.get("properties", {}).items()]:
            described = [
                row for row in known.get(name, ()) if row[2] and schema.get("description", "").startswith(row[2])
            ]
            assert described or name in OWN, f"{tool.name}: {name} is not as in the services: {schema}"
            if described and described[0][1] in TYPES:
                kinds = [one.get("type") for one in (schema, *schema.get("anyOf", ()))]
                assert TYPES[described[0][1]] in kinds, f"{tool.name}: {name} is {kinds}"
                seen.add(name)
    assert {"query", "max_results", "in_room", "ids", "append", "standoff", "confidence", "room_id"} <= seen
    operations = {name.lower() for name in interface_fields()["EditObject.Request"] if name.isupper()}
    assert set(get_args(get_args(Operation)[0])) == operations - {"add", "move", "split"}
    assert set(get_args(get_args(Code)[0])) == set(interface_fields()["ResultCode"])


def test_objects_are_found_described_and_listed(server, pipeline):
    found = answer(server, "find_objects", query="couch")
    assert found["matches"][0]["label"] == "sofa"
    assert found["matches"][0]["approach"] is None
    assert found["frame"] == "map"
    nothing = answer(server, "find_objects", query="couch", near_query="chair", near_distance=0.5)
    assert (nothing["matches"], "within 0.5 m" in nothing["message"]) == ([], True)

    chair = answer(server, "describe_object", object_id=ids(pipeline)["chair"])
    assert chair["position"] == pytest.approx([0.0, 0.0, 0.5], abs=0.05)
    assert (chair["room_id"], chair["num_observations"]) == (0, 1)
    assert chair["colors"][0]["name"] == "red"
    assert chair["last_seen"] == "1970-01-01T00:00:01Z"
    assert chair["relations"] == []
    assert {row["label"] for row in chair["nearest"]} == {"sofa", "table"}

    page = answer(server, "list_objects")
    assert (page["total"], page["pages"], len(page["objects"])) == (3, 1, 3)
    assert [row["label"] for row in answer(server, "list_objects", label="table")["objects"]] == ["table"]
    summary = answer(server, "scene_summary")
    assert summary["labels"] == {"chair": 1, "sofa": 1, "table": 1}
    assert (summary["rooms"], summary["vocabulary"]) == (0, 3)


def test_the_vocabulary_is_changed(server, pipeline):
    assert answer(server, "set_vocabulary", labels=["lamp"])["message"] == "4 labels in use"
    assert pipeline.space.vocabulary.labels[-1] == "lamp"


def test_objects_are_corrected(server, pipeline):
    chair = ids(pipeline)["chair"]
    answer(server, "edit_object", operation="rename", ids=[chair], label="throne")
    assert answer(server, "describe_object", object_id=chair)["label"] == "throne"
    answer(server, "edit_object", operation="delete", ids=[chair])
    assert "list_objects gives the ids" in refusal(server, "describe_object", object_id=chair)
    answer(server, "edit_object", operation="undo")
    assert answer(server, "describe_object", object_id=chair)["label"] == "throne"
    assert "rename got ids []" in refusal(server, "edit_object", operation="rename", label="throne")
    assert "operation" in refusal(server, "edit_object", operation="explode", ids=[chair])


def test_wrong_arguments_and_missing_things_are_refused_with_a_reason(server):
    assert "list_objects gives the ids" in refusal(server, "describe_object", object_id=99)
    assert "there is no page 2" in refusal(server, "list_objects", page=2)
    assert "there is no robot" in refusal(server, "where_am_i")
    assert "there is no robot" in refusal(server, "trip_status")
    assert "max_results" in refusal(server, "find_objects", query="sofa", max_results=1000)
    assert "query" in refusal(server, "find_objects")
    assert "object_id" in refusal(server, "describe_object", object_id="the sofa")
    assert "Unknown tool" in refusal(server, "launch_rocket")
    assert "labels" in refusal(server, "set_vocabulary", labels=[])
    for arguments, words in (
        ({"labels": ["sofa"]}, "list_objects has no argument 'labels', did you mean 'label'?"),
        ({"colour\n": "red"}, "list_objects has no argument 'colour\\n'; it has label, "),
        ({"page": -1, "label": 5}, "label: input should be a valid string; page: input should be greater than"),
    ):
        (result,) = ask(server, ("list_objects", arguments))
        assert result.structured_content["code"] == "INVALID_REQUEST"
        assert words in result.structured_content["message"]
        assert "pydantic" not in result.content[0].text
    assert answer(server, "list_rooms") == {"message": "the rooms of this map are not known", "rooms": []}


def test_without_a_map_every_tool_says_what_is_missing(pipeline):
    server = make_server(OtherSource(pipeline))
    results = ask(server, ("find_objects", {"query": "sofa"}), ("list_objects", {}), ("look_at", {}))
    refused = {"code": "NO_MAP_YET", "message": "waiting for a cloud"}
    assert [(result.is_error, result.structured_content) for result in results] == [(True, refused)] * 3


def test_rooms_robot_and_long_lists(pipeline):
    snapshot = FileSource(pipeline).snapshot()
    corners = ((-1.0, -1.0), (1.0, -1.0), (1.0, 2.0), (-1.0, 2.0))
    layout = Layout(storeys=(Storey(1, 0.0, 2.5),), rooms=(Room(7, corners, 6.0, 1, ()),))
    many = [
        dataclasses.replace(snapshot.objects[0], id=100 + i, label=f"a thing with a long name {i % 50}")
        for i in range(200)
    ]
    pipeline.graphs.forget()
    pipeline.graphs._find_layout = lambda scene: layout
    source = OtherSource(pipeline, {"objects": (*snapshot.objects, *many)})
    server = make_server(source, motion=True)
    inside = answer(server, "list_rooms")["rooms"]
    assert (inside[0]["number"], inside[0]["area"], inside[0]["objects"]) == (7, 6.0, {"chair": 1})
    here = answer(server, "where_am_i")
    assert (here["pose"], here["room_id"]) == ({"position": [0.0, 1.0, 0.0], "heading": -90.0}, 7)
    listed = [answer(server, "list_objects", page=page) for page in range(1, 18)]
    assert len({row["id"] for page in listed for row in page["objects"]}) == listed[0]["total"] == 203
    assert [row["label"] for row in answer(server, "list_objects", in_room="7")["objects"]] == ["chair"]
    assert [row["label"] for row in answer(server, "list_objects", in_room="dining room 7")["objects"]] == ["chair"]
    assert "rooms: dining room 7" in refusal(server, "list_objects", in_room="kitchen")
    around = answer(server, "list_objects", label="table", region_center=[0.0, 2.5, 0.5], region_radius=1.0)
    assert around["total"] == 1
    assert answer(server, "list_objects", label="table", region_center=[0.0, 2.5, 0.5], region_radius=0.1)["total"] == 0
    assert answer(server, "find_objects", query="chair")["matches"][0]["room_id"] == 7
    assert answer(server, "find_objects", query="table", in_room="7")["matches"] == []
    message = answer(server, "find_objects", query="chair", in_room="attic " * 30)["message"]
    assert len(message) <= 300
    assert message.endswith(" ...")
    answer(server, "scene_summary")
    assert answer(server, "go_to", text="chair", standoff=0.8)["message"] == "driving"
    assert source.trips == [("chair", 0, 0.8)]
    assert "give a text or an object_id" in refusal(server, "go_to")


def test_a_picture_has_marks_on_its_objects(server, pipeline):
    (all_of_them, near) = ask(server, ("look_at", {}), ("look_at", {"object_ids": [ids(pipeline)["chair"]]}))
    assert all_of_them.content[1].text.count(",") == 2
    assert near.content[1].text == f"marked: chair {ids(pipeline)['chair']}"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(near.content[0].data)))).astype(int)
    assert pixels.shape == (480, 640, 3)
    middle = pixels[200:280, 280:360].reshape(-1, 3)
    assert (pixels.max(axis=-1) < 12).sum() > 50  # the mark
    assert (middle[:, 0] > middle[:, 1:].max(axis=1) + 40).sum() > 500  # the chair around it


def test_the_scene_is_a_resource(server, pipeline):
    async def read():
        async with mcp.Client(server) as client:
            return (await client.read_resource(SCENE)).contents[0].text

    scene = json.loads(asyncio.run(read()))
    assert {node["label"] for node in scene["nodes"] if node["kind"] == "object"} == {"chair", "sofa", "table"}
    assert scene["frame_id"] == "map"


@pytest.mark.slow
def test_a_hundred_questions_at_once(server):
    results = ask(server, *(("find_objects", {"query": text}) for text in ["couch", "chair"] * 50))
    assert [r.structured_content["matches"][0]["label"] for r in results] == ["sofa", "chair"] * 50
