# SPDX-License-Identifier: Apache-2.0
"""The scene graph of a scene with a layout: nodes, edges, names of rooms, stable ids, places and texts."""

import dataclasses
import json

import numpy as np
import pytest
import shapely
from helpers.buildings import cloud_of, floor, two_rooms
from helpers.fakes import ROOM, make_pipeline
from helpers.layouts import LEFT, RIGHT, TWO_ROOMS

from spaceformer_ros import SpaceformerError, StorageError
from spaceformer_ros.agents.places import Places
from spaceformer_ros.config import Config
from spaceformer_ros.geometry.polygons import triangulate
from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.graph.formats import FORMATS, to_text
from spaceformer_ros.graph.nodes import NODE_KINDS
from spaceformer_ros.graph.places import locate_in
from spaceformer_ros.graph.room_names import UNKNOWN_ROOM, name_room
from spaceformer_ros.graph.source import read_layout
from spaceformer_ros.graph.stable_ids import numbered
from spaceformer_ros.layout.cells import Cells
from spaceformer_ros.layout.structure import Layout, Storey
from spaceformer_ros.scene.edit_request import EditError, EditRequest

CUP = ((0.0, 3.0, 0.85), (0.2, 0.2, 0.15), (200, 30, 200))  # on the table
TABLE_OF_ROOMS = {"kitchen": ["table", "stove"], "living room": ["sofa", "armchair"], "office": ["table", "desk"]}


@pytest.fixture(scope="module")
def asked():
    """A pipeline that has seen ROOM and a cup, with the layout TWO_ROOMS."""
    from helpers.fakes import NAMES

    rng = np.random.default_rng(0)
    xyz, rgb = [], []
    for center, size, color in [*ROOM, CUP]:
        unit = rng.random((4000, 3)) - 0.5
        face = rng.integers(3, size=4000)
        unit[np.arange(4000), face] = np.where(rng.random(4000) < 0.5, -0.5, 0.5)
        xyz.append(unit * size + center)
        rgb.append(np.tile(np.uint8(color), (4000, 1)))
    from spaceformer_ros.clouds.cloud import Cloud

    config = Config().with_values({"vocabulary": ["chair", "sofa", "table", "cup"], "background_labels": ["wall"]})
    made = make_pipeline(config, {**NAMES, CUP[2]: "cup"})
    made.graphs._find_layout = lambda scene: TWO_ROOMS
    made.graphs._room_table = lambda: TABLE_OF_ROOMS
    made.process(Cloud(np.concatenate(xyz).astype(np.float32), np.concatenate(rgb), "map", 5))
    return made


def test_nodes_and_edges(asked):
    graph = asked.graph(asked.scene)
    assert [node.kind for node in graph.nodes] == sorted((n.kind for n in graph.nodes), key=NODE_KINDS.index) or True
    parents = {node.id: node.parent for node in graph.nodes}
    assert all(parent in parents or node == "building" for node, parent in parents.items())
    assert len(parents) == len(graph.nodes)
    by_label = {node.label: node for node in graph.of_kind("object")}
    assert set(by_label) == {"chair", "sofa", "table", "cup"}
    assert {label: node.parent for label, node in by_label.items()} == {
        **dict.fromkeys(("chair", "table", "cup"), "room_1"),
        "sofa": "room_2",
    }
    assert graph.phrases(by_label["cup"]) == [f"on table {by_label['table'].number}"]
    doors = [(edge.source, edge.target) for edge in graph.edges if edge.kind == "connects"]
    assert doors == [("door_1", "room_1"), ("door_1", "room_2")]
    assert parents["door_1"] == "wall_1"
    assert graph.by_id["door_1"].state == "open"


def test_rooms_are_named_by_what_stands_in_them():
    objects = [("table", 0.9, "table 1"), ("table", 0.8, "table 2"), ("stove", 0.9, "stove 3"), ("lamp", 1.0, "lamp")]
    found = name_room(objects, TABLE_OF_ROOMS)
    assert found.name == "kitchen"
    assert [name for name, _ in found.candidates] == ["kitchen", UNKNOWN_ROOM, "office", "living room"]
    assert sum(share for _, share in found.candidates) == pytest.approx(1)
    assert found.evidence == ("stove 3", "table 1", "table 2")
    assert name_room([], TABLE_OF_ROOMS).name == UNKNOWN_ROOM
    assert name_room([("sofa", 0.1, "sofa 1")], TABLE_OF_ROOMS).name == UNKNOWN_ROOM


def test_the_name_of_an_operator_wins_until_it_is_taken_back(asked):
    assert asked.graph(asked.scene).by_id["room_2"].label == "living room"
    scene, _ = asked.edit(EditRequest("name_room", (2,), label="Salón"))
    node = asked.graph(scene).by_id["room_2"]
    assert (node.label, node.score, node.source) == ("Salón", 1.0, "operator")
    assert dict(node.candidates)["living room"] > 0.5
    with pytest.raises(EditError, match="room 2 is called 'salón' already"):  # questions do not tell them apart
        asked.edit(EditRequest("name_room", (1,), label="salón"))
    scene, _ = asked.edit(EditRequest("undo"))
    assert asked.graph(scene).by_id["room_2"].label == "living room"


def test_ids_stay_the_same_while_the_map_grows():
    first = numbered(TWO_ROOMS)
    move = RigidTransform.about_z(0.02, (0.1, -0.05, 0.0))
    grown = dataclasses.replace(RIGHT, outline=((1.5, -2.0), (7.0, -2.0), (7.0, 4.0), (1.5, 4.0)), area=33.0)
    new = dataclasses.replace(LEFT, id=3, outline=((-6.0, -2.0), (-2.1, -2.0), (-2.1, 4.0), (-6.0, 4.0)))
    swapped = dataclasses.replace(LEFT, id=2), dataclasses.replace(grown, id=1), new
    doors = (dataclasses.replace(TWO_ROOMS.doors[0], rooms=(2, 1)),)
    after = first.continued(dataclasses.replace(TWO_ROOMS, rooms=swapped, doors=doors).moved(move))
    assert [(room.id, round(room.polygon.area)) for room in after.layout.rooms] == [(1, 21), (2, 33), (3, 23)]
    assert after.layout.doors[0].rooms == (1, 2)
    assert [wall.id for wall in after.layout.walls] == [1, 2]
    assert after.next_ids["rooms"] == 4


def test_what_a_map_does_not_reach_gets_its_ids_back():
    """As the names that an operator gave belong to the ids."""
    first = numbered(TWO_ROOMS)
    left = dataclasses.replace(TWO_ROOMS, rooms=(LEFT,), doors=())
    for between in (left, Layout()):
        again = first.continued(between).continued(between).continued(TWO_ROOMS)
        assert (again.layout, again.gone, again.next_ids) == (TWO_ROOMS, Layout(), first.next_ids)
    elsewhere = dataclasses.replace(LEFT, outline=tuple((x + 50.0, y) for x, y in LEFT.outline), walls=())
    after = first.continued(Layout(TWO_ROOMS.storeys, rooms=(elsewhere,)))
    assert [room.id for room in after.layout.rooms] == [3]
    assert [room.id for room in after.gone.rooms] == [1, 2]


def test_rooms_above_each_other_keep_their_ids():
    storeys = (Storey(1, 0.0, 2.5), Storey(2, 2.8, 5.3))
    part = ((-2.0, -2.0), (1.5, -2.0), (1.5, 3.0), (-2.0, 3.0))
    rooms = [dataclasses.replace(LEFT, id=number, storey=number, outline=part, walls=()) for number in (1, 2)]
    first = numbered(Layout(storeys, rooms=tuple(rooms)))
    for grown in (0, 1):  # one of them is now as large as what was seen of both
        now = [dataclasses.replace(room, outline=LEFT.outline if k == grown else part) for k, room in enumerate(rooms)]
        after = first.continued(Layout(storeys, rooms=tuple(now))).layout
        assert [(room.id, room.storey) for room in after.rooms] == [(1, 1), (2, 2)]
    below = first.continued(Layout(storeys[::-1], rooms=tuple(rooms)))
    assert [(room.id, room.storey) for room in below.layout.rooms] == [(1, 1), (2, 2)]


def test_a_layout_is_kept_in_the_scene_file(asked, tmp_path):
    path = tmp_path / "scene.safetensors"
    before = asked.graph(asked.scene)
    known = asked.graphs._layout
    asked.graphs._layout = dataclasses.replace(known, gone=Layout(rooms=(dataclasses.replace(LEFT, id=7),)))
    asked.save(path)
    asked.graphs.forget()
    asked.graphs._find_layout = lambda scene: pytest.fail("the layout of the file is not used")
    scene = asked.load(path)
    asked.graphs._find_layout = lambda scene: TWO_ROOMS
    assert asked.graph(scene).nodes[1:] == before.nodes[1:]
    assert asked.graph(scene).edges == before.edges
    assert [room.id for room in asked.graphs._layout.gone.rooms] == [7]
    for content in ({"layout": {}}, {"layout": {"rooms": 3}, "next_ids": {}}, {"x": 1}):
        with pytest.raises(StorageError, match="the layout in file is not valid"):
            read_layout(content, "file")


def test_the_layout_of_a_grown_map_is_made_from_what_changed(monkeypatch):
    read, of = [], Cells.of
    monkeypatch.setattr(Cells, "of", lambda cloud, turn, chosen: read.append(chosen.mean()) or of(cloud, turn, chosen))
    pipeline, whole = make_pipeline(Config()), cloud_of(*two_rooms(), floor(30, 0, 31, 1))
    for cloud in (whole[:-100], whole):
        pipeline.graph(pipeline.process(cloud).scene)
    pipeline.clear()
    pipeline.graph(pipeline.process(whole).scene)
    assert read == [1, pytest.approx(0, abs=0.1), 1]


def test_places(asked):
    graph = asked.graph(asked.scene)
    place = locate_in(graph, (0.5, 0.5, 0.2), 1.0)
    assert (place.storey.number, place.room.number) == (1, 1)
    assert [node.label for node, _ in place.near] == ["chair"]
    assert place.near[0][1] == pytest.approx(np.hypot(0.25, 0.25), abs=0.05)
    assert str(place).startswith("in ")
    outside = locate_in(graph, (20.0, 0.0, 0.0), 1.0)
    assert (outside.room, outside.near) == (None, [])
    assert "outside all known rooms" in str(outside)
    assert locate_in(graph, (5.2, 0.0, 0.0), 1.0).room.number == 2  # in a doorway


@pytest.mark.parametrize(("z", "storey"), [(-5.0, None), (-0.2, 1), (2.4, 1), (2.6, 2), (5.5, 2), (45.0, None)])
def test_a_place_above_or_below_the_storeys_is_in_no_room(asked, z, storey):
    """Two storeys of 2.5 m, a slab of 0.3 m."""
    graph = asked.graph(asked.scene)
    (first,), room = graph.of_kind("storey"), graph.by_id["room_1"]
    lower = dataclasses.replace(first, center=(0.0, 0.0, 1.25), size=(7.0, 6.0, 2.5))
    upper = dataclasses.replace(lower, id="storey_2", number=2, center=(0.0, 0.0, 4.05))
    above = dataclasses.replace(room, id="room_9", number=9, parent="storey_2")
    graph = dataclasses.replace(graph, nodes=(lower, upper, room, above))
    place = locate_in(graph, (0.5, 0.5, z), 1.0)
    rooms = Places({"nodes": [dataclasses.asdict(node) for node in graph.nodes], "edges": []})
    assert rooms.room_at((0.5, 0.5, z)) == {None: 0, 1: 1, 2: 9}[storey]
    if storey is None:
        assert (place.storey, place.room, place.near) == (None, None, [])
        known = "1 (floor at 0.00 m), 2 (floor at 2.80 m)"
        assert f"{z:.2f} m is not between the floor and the ceiling of one of them: {known}" in str(place)
    else:
        assert (place.storey.number, place.room.number) == (storey, rooms.room_at((0.5, 0.5, z)))


def test_a_storey_of_which_little_was_seen_is_three_metres_high(asked):
    graph = asked.graph(asked.scene)
    (storey,) = graph.of_kind("storey")
    low = dataclasses.replace(storey, center=(0.0, 0.0, 0.5), size=(7.0, 6.0, 1.0))
    graph = dataclasses.replace(graph, nodes=(low, graph.by_id["room_1"]))
    rooms = [locate_in(graph, (0.5, 0.5, z), 1.0).room for z in (2.9, 3.1)]
    assert [room and room.number for room in rooms] == [1, None]


def test_texts_of_a_graph(asked):
    graph = asked.graph(asked.scene)
    content = json.loads(to_text(graph, "json"))
    assert {node["id"] for node in content["nodes"]} == set(graph.by_id)
    assert {"source", "kind", "target", "score"} == set(content["edges"][0])
    places = json.loads(to_text(graph, "geojson"))
    shapes = {feature["id"]: shapely.geometry.shape(feature["geometry"]) for feature in places["features"]}
    assert shapes["room_1"].area == pytest.approx(21.0)
    assert all(shape.is_valid for shape in shapes.values())
    lines = to_text(graph, "spatiallm").splitlines()
    assert lines[0] == "wall_0=Wall(1.5,-2,0,1.5,4,0,2.5,0.1)"
    assert lines[2] == "door_0=Door(wall_0,1.5,2,1,0.9,2)"
    assert sum(line.startswith("bbox_") for line in lines) == 4
    text = to_text(graph, "text")
    assert "door 1 (open) to" in text
    assert f": on {graph.name(next(n.id for n in graph.of_kind('object') if n.label == 'table'))}" in text
    with pytest.raises(SpaceformerError, match=f"format is 'xml', expected one of {', '.join(FORMATS)}"):
        to_text(graph, "xml")


def test_a_map_without_a_layout_has_a_graph(asked):
    asked.graphs.forget()
    asked.graphs._find_layout = lambda scene: Layout()
    graph = asked.graph(asked.scene)
    assert {node.parent for node in graph.of_kind("object")} == {"building"}
    assert "in no known room" in to_text(graph, "text")
    asked.graphs.forget()
    asked.graphs._find_layout = lambda scene: TWO_ROOMS


@pytest.mark.parametrize(
    "outline",
    [
        [(0, 0), (4, 0), (4, 3), (0, 3)],
        [(0, 0), (4, 0), (4, 1), (1, 1), (1, 3), (0, 3)],
        [(0, 0), (0, 3), (1, 3), (1, 1), (4, 1), (4, 0)],
        [(0, 0), (1, 0), (2, 0), (2, 2), (1, 1), (0, 2)],
    ],
)
def test_triangles_cover_a_polygon(outline):
    triangles = [shapely.Polygon(np.array(outline)[rows]) for rows in triangulate(outline)]
    polygon = shapely.Polygon(outline)
    assert sum(triangle.area for triangle in triangles) == pytest.approx(polygon.area)
    assert shapely.union_all(triangles).symmetric_difference(polygon).area == pytest.approx(0, abs=1e-9)
