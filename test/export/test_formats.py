# SPDX-License-Identifier: Apache-2.0
"""Every exported format is read back by a reader that is not ours."""

import dataclasses
import json
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely
from helpers.fakes import ROOM, make_pipeline
from helpers.layouts import TWO_ROOMS
from scipy.spatial import cKDTree

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.files import read_cloud
from spaceformer_ros.config import Config
from spaceformer_ros.export.floor_plan import write_plan
from spaceformer_ros.export.formats import SUFFIXES, export_scene

ROUTE_SCHEMA = {
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "features": {
            "type": "array",
            "items": {
                "required": ["type", "properties", "geometry"],
                "properties": {
                    "properties": {"required": ["id"], "properties": {"id": {"type": "integer"}}},
                    "geometry": {"properties": {"type": {"enum": ["Point", "MultiLineString"]}}},
                },
            },
        }
    },
}


UTM = (499_712.0, 5_399_552.0, 0.0)


@pytest.fixture
def export(box_cloud, tmp_path):
    """A function: exports the ROOM of fakes with TWO_ROOMS. Returns the path; `graph` and `scene` are attributes."""
    return exporter(box_cloud(ROOM), tmp_path)


@pytest.fixture
def export_far(box_cloud, tmp_path):
    """As `export`, in UTM coordinates."""
    return exporter(dataclasses.replace(box_cloud(ROOM), origin=UTM), tmp_path)


def exporter(cloud, folder):
    pipeline = make_pipeline(
        Config().with_values({"vocabulary": ["chair", "sofa", "table"], "background_labels": ["wall"]})
    )
    pipeline.graphs._find_layout = lambda scene: TWO_ROOMS
    scene = pipeline.process(cloud).scene
    graph = pipeline.graph(scene)

    def write(form, labels=()):
        path = folder / f"map{SUFFIXES[form]}"
        export_scene(form, path, graph, scene, labels)
        return path

    write.graph, write.scene = graph, scene
    return write


@pytest.fixture
def two_storeys(export):
    """A SceneGraph: that of `export`, and the same rooms, doors and walls above it; the sofa is upstairs."""
    graph = export.graph
    above = {node.id: f"{node.id}1" for node in graph.nodes if node.kind not in ("building", "object")}

    def lifted(node):
        (x, y, z), number = node.center, int(f"{node.number}1")
        parent = above.get(node.parent, node.parent)
        return dataclasses.replace(node, id=above[node.id], number=number, parent=parent, center=(x, y, z + 3.0))

    upper = [lifted(node) for node in graph.nodes if node.id in above]
    nodes = [
        dataclasses.replace(node, parent=above[node.parent]) if node.label == "sofa" else node for node in graph.nodes
    ]
    doors = [
        dataclasses.replace(e, source=above[e.source], target=above[e.target]) for e in graph.edges if e.source in above
    ]
    return dataclasses.replace(graph, nodes=(*nodes, *upper), edges=(*graph.edges, *doors))


def node_of(graph, label):
    return next(node for node in graph.of_kind("object") if node.label == label)


def test_no_format_overwrites_the_file_of_another():
    assert len(set(SUFFIXES.values())) == len(SUFFIXES)


def test_json_follows_its_schema(export):
    jsonschema = pytest.importorskip("jsonschema")
    number = {"type": "number"}
    schema = {
        "required": ["format", "version", "frame_id", "nodes", "edges"],
        "properties": {
            "nodes": {
                "items": {
                    "required": ["id", "kind", "label", "parent", "center", "size", "yaw"],
                    "properties": {"center": {"items": number, "minItems": 3, "maxItems": 3}, "yaw": number},
                }
            },
            "edges": {"items": {"required": ["source", "kind", "target"]}},
        },
    }
    jsonschema.validate(json.loads(export("json").read_text()), schema)
    jsonschema.validate(json.loads(export("nav2_route").read_text()), ROUTE_SCHEMA)


def test_geojson_is_read_by_shapely(export):
    content = shapely.from_geojson(export("geojson").read_text())
    assert content.geom_type == "GeometryCollection"
    assert max(geometry.area for geometry in content.geoms) == pytest.approx(21.0)
    assert content.is_valid


def test_the_route_graph_leads_from_room_to_room_through_the_door(export):
    content = json.loads(export("nav2_route").read_text())
    nodes = {f["properties"]["id"]: f for f in content["features"] if f["geometry"]["type"] == "Point"}
    edges = [f["properties"] for f in content["features"] if f["geometry"]["type"] == "MultiLineString"]
    names = {key: node["properties"]["metadata"]["node"] for key, node in nodes.items()}
    assert sorted((names[e["startid"]], names[e["endid"]]) for e in edges) == [
        ("door_1", "room_1"),
        ("door_1", "room_2"),
        ("room_1", "door_1"),
        ("room_2", "door_1"),
    ]
    ids = [feature["properties"]["id"] for feature in content["features"]]
    assert len(set(ids)) == len(ids)
    rooms = {node["properties"]["metadata"]["node"]: node["geometry"]["coordinates"] for node in nodes.values()}
    assert all(room.polygon.contains(shapely.Point(rooms[f"room_{room.id}"])) for room in TWO_ROOMS.rooms)
    assert {edge["metadata"]["state"] for edge in edges} == {"open"}


def test_nav2_gets_one_storey(export, two_storeys, tmp_path):
    for form in ("nav2_route", "keepout"):
        with pytest.raises(SpaceformerError, match=r"--storey, 1 \(floor at 0.00 m\), 11 \(floor at 3.00 m\)"):
            export_scene(form, tmp_path / "x", two_storeys, export.scene)
    with pytest.raises(SpaceformerError, match="storey is 2, expected one of 1 "):
        two_storeys.in_storey(2)
    labels = {number: {node.label for node in two_storeys.in_storey(number).of_kind("object")} for number in (1, 11)}
    assert labels == {1: {"chair", "table"}, 11: {"sofa"}}
    export_scene("nav2_route", tmp_path / "route", two_storeys.in_storey(11), export.scene)
    features = json.loads((tmp_path / "route").read_text())["features"]
    names = {f["properties"]["metadata"].get("node") for f in features}
    assert names == {"room_11", "room_21", "door_11", None}
    assert len(features) == 3 + 4


def test_keepout_shapes_are_the_ground_of_the_chosen_objects(export):
    content = json.loads(export("keepout", ("sofa",)).read_text())
    (shape,) = content["polygons"]
    assert len(shape["uuid"]["uuid"]) == 16
    polygon = shapely.Polygon([(point["x"], point["y"]) for point in shape["points"]])
    assert polygon.area == pytest.approx(2.0 * 0.9, rel=0.05)
    assert len(json.loads(export("keepout").read_text())["polygons"]) == 3
    assert json.loads(export("keepout", ("sofa",)).read_text()) == content
    with pytest.raises(SpaceformerError, match=r"no object is called piano \(labels in the map: chair, sofa, table\)"):
        export("keepout", ("piano",))


def test_spatiallm_lines_are_what_its_reader_expects(export):
    walls = {}
    for line in export("spatiallm").read_text().splitlines():
        name, _, call = line.partition("=")
        kind, _, arguments = call.rstrip(")").partition("(")
        values = arguments.split(",")
        if kind == "Wall":
            walls[name] = np.array(values, dtype=float)
            assert len(values) == 8
        elif kind in ("Door", "Window"):
            assert values[0] in walls
            assert len(values) == 6
        else:
            assert (kind, len(values)) == ("Bbox", 8)
            assert " " not in values[0]
    assert len(walls) == 2


def test_gltf_is_read_by_trimesh(export):
    trimesh = pytest.importorskip("trimesh")
    read = trimesh.load(export("gltf"))
    sofa = node_of(export.graph, "sofa")
    mesh = read.geometry[sofa.id]
    assert np.allclose(sorted(mesh.extents), sorted(sofa.size), atol=1e-4)
    x, y, z = sofa.center
    transform, _ = read.graph[sofa.id]
    assert np.allclose(trimesh.transform_points([mesh.bounds.mean(axis=0)], transform), [(x, z, -y)], atol=1e-3)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(np.prod(sofa.size), rel=1e-3)
    clouds = [geometry for geometry in read.geometry.values() if isinstance(geometry, trimesh.PointCloud)]
    assert len(clouds[0].vertices) == len(export.scene.cloud)
    assert {"room_1", "wall_1", "door_1", "window_1"} <= set(read.geometry)


def test_gltf_of_a_map_in_utm_is_exact(export_far):
    trimesh = pytest.importorskip("trimesh")
    read = trimesh.load(export_far("gltf"))
    sofa = node_of(export_far.graph, "sofa")
    mesh, (transform, _) = read.geometry[sofa.id], read.graph[sofa.id]
    assert np.allclose(sorted(mesh.extents), sorted(sofa.size), atol=1e-4)
    x, y, z = sofa.center
    assert np.allclose(trimesh.transform_points([mesh.bounds.mean(axis=0)], transform), [(x, z, -y)], atol=1e-3)


def test_the_points_of_openlex3d_are_exact_in_utm(export_far):
    cloud = read_cloud(export_far("openlex3d") / "point_cloud.pcd").cloud
    distance, _ = cKDTree(export_far.scene.cloud.in_frame() - UTM).query(cloud.in_frame() - UTM)
    assert distance.max() < 1e-6


@pytest.mark.slow
def test_usd_of_a_map_in_utm_is_exact(export_far):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(str(export_far("usd")))
    table = node_of(export_far.graph, "table")
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath(f"/map/objects/{table.id}"))
    box = mesh.ComputeWorldBound(Usd.TimeCode.Default(), "default").ComputeAlignedRange()
    assert np.allclose(box.GetMidpoint(), table.center, atol=1e-3)
    assert np.allclose(
        box.GetSize(), export_far.scene.box_in_frame(export_far.scene.find_id(table.number)).size, atol=0.05
    )
    points = UsdGeom.Points(stage.GetPrimAtPath("/map/points"))
    assert np.allclose(points.GetPointsAttr().Get(), export_far.scene.cloud.xyz, atol=1e-5)


@pytest.mark.slow
def test_usd_is_read_by_pxr(export):
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(str(export("usd")))
    assert (UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)) == ("Z", 1.0)
    table = node_of(export.graph, "table")
    prim = stage.GetPrimAtPath(f"/map/objects/{table.id}")
    assert prim.GetAttribute("userProperties:label").Get() == "table"
    box = UsdGeom.Mesh(prim).ComputeLocalBound(Usd.TimeCode.Default(), "default").ComputeAlignedRange()
    assert np.allclose(box.GetMidpoint(), table.center, atol=1e-3)
    points = UsdGeom.Points(stage.GetPrimAtPath("/map/points"))
    assert np.allclose(points.GetPointsAttr().Get(), export.scene.cloud.xyz, atol=1e-5)
    colors = UsdGeom.PrimvarsAPI(points).GetPrimvar("displayColor").Get()
    assert np.array_equal(np.rint(np.array(colors) * 255), export.scene.cloud.rgb)
    export("usd")  # over the old file


def test_openlex3d_is_read_by_numpy(export):
    folder = export("openlex3d")
    embeddings, index = np.load(folder / "embeddings.npy"), np.load(folder / "index.npy")
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1)
    lines = (folder / "point_cloud.pcd").read_bytes().split(b"\n")
    count = next(int(line.split()[1]) for line in lines if line.startswith(b"POINTS"))
    assert (len(index), len(embeddings)) == (count, 3)
    assert set(index.tolist()) == {0, 1, 2}


def test_a_missing_library_is_named(export, monkeypatch):
    for form, module, package in (
        ("gltf", "trimesh", "trimesh"),
        ("usd", "pxr", "usd-core"),
        ("rrd", "rerun", "rerun-sdk"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(
            SpaceformerError, match=f"need the package {package}: pip install {package}, or use --to json"
        ):
            export(form)
    with pytest.raises(SpaceformerError, match="format is 'dwg', expected one of json"):
        export_scene("dwg", "x", export.graph, export.scene)


@pytest.mark.slow
def test_rerun_recordings_are_read_by_rerun(export):
    chunk = pytest.importorskip("rerun.chunk")
    batches = {}
    for part in chunk.RrdReader(str(export("rrd"))).stream():
        batches[part.entity_path] = part.is_static, part.to_record_batch()
    sofa = node_of(export.graph, "sofa")
    is_static, row = batches[f"/map/objects/{sofa.id}"]
    assert not is_static
    assert row.column("Boxes3D:labels").to_pylist() == [[f"sofa {sofa.number}"]]
    assert np.allclose(row.column("Boxes3D:centers").to_pylist(), [[sofa.center]], atol=1e-5)
    assert row.column("stamp")[0].value == export.scene.find_id(sofa.number).first_seen_ns
    assert len(batches["/map/points"][1].column("Points3D:positions")[0].as_py()) == len(export.scene.cloud)
    assert {"/map/walls", "/map/doors", "/map/rooms/room_2"} <= set(batches)


@pytest.mark.slow
def test_rerun_recordings_of_maps_in_utm_are_exact_and_name_the_origin(export_far):
    chunk = pytest.importorskip("rerun.chunk")
    batches = {part.entity_path: part.to_record_batch() for part in chunk.RrdReader(str(export_far("rrd"))).stream()}
    sofa = node_of(export_far.graph, "sofa")
    center = np.subtract(sofa.center, UTM)
    assert np.allclose(batches[f"/map/objects/{sofa.id}"].column("Boxes3D:centers").to_pylist(), [[center]], atol=1e-4)
    assert "(499712, 5399552, 0) m" in batches["/map/origin"].column("TextDocument:text").to_pylist()[0][0]


@pytest.mark.slow
def test_svg_floor_plan_has_the_names_and_areas_of_the_rooms(export):
    root = ElementTree.parse(export("svg")).getroot()
    texts = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    rooms = export.graph.of_kind("room")
    assert len(rooms) == 2
    assert texts >= {f"{room.area:.1f} m²" for room in rooms} | {node_of(export.graph, "sofa").label}


@pytest.mark.slow
def test_names_of_objects_do_not_cover_each_other_nor_those_of_rooms(export, tmp_path):
    sofa = node_of(export.graph, "sofa")
    (room,) = (node for node in export.graph.of_kind("room") if node.id == sofa.parent)
    others = [node for node in export.graph.nodes if node is not sofa]
    sofa = dataclasses.replace(sofa, label="$\\sofa{$")  # dollar signs are no formulas
    smaller = dataclasses.replace(sofa, id="object_98", label="rug", size=(0.5, 0.5, 0.1))
    covered = dataclasses.replace(smaller, id="object_99", label="mat", center=room.center)
    write_plan(
        tmp_path / "plan.svg",
        dataclasses.replace(export.graph, nodes=(*others, sofa, smaller, covered)),
        "svg",
    )
    content = (tmp_path / "plan.svg").read_text()
    assert ">$\\sofa{$<" in content
    assert ">rug<" not in content
    assert ">mat<" not in content


@pytest.mark.slow
def test_png_floor_plan_shows_walls_dark_and_both_rooms_in_colours(export):
    from PIL import Image

    picture = np.asarray(Image.open(export("png")).convert("RGB")).astype(int)
    assert (picture.max(axis=2) < 80).sum() > 1000  # walls
    colours, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    large = colours[counts > 0.08 * counts.sum()]
    assert len(large) == 3  # paper and two rooms
