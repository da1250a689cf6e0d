# SPDX-License-Identifier: Apache-2.0
"""glTF and USD files of a scene: boxes, floors of rooms and coloured points."""

import re

import numpy as np

from ..clouds.formats.libraries import import_library
from .solids import points_of, solids_of

INSTEAD = "use --to json"
Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=np.float64)  # of glTF: y is up
POINT_WIDTH = 0.02  # metres of a point in USD


def write_gltf(path, graph, scene):
    """A binary glTF file (.glb), one named node per thing, y up as the format asks.

    Needs trimesh. `extras` of a node are its kind, label and number.
    """
    trimesh = import_library("trimesh", "glTF", INSTEAD)
    made = trimesh.Scene()
    for solid in solids_of(graph, scene.cloud.origin):
        material = trimesh.visual.material.PBRMaterial(
            baseColorFactor=solid.color, alphaMode="BLEND", doubleSided=True, name=solid.node.kind
        )
        mesh = trimesh.Trimesh(solid.vertices, solid.triangles, process=False)
        mesh.visual = trimesh.visual.TextureVisuals(material=material)
        node = solid.node
        extras = {"kind": node.kind, "label": node.label, "number": node.number, "parent": node.parent}
        mesh.metadata.update(extras)
        made.add_geometry(mesh, node_name=node.id, geom_name=node.id, metadata=extras)
    xyz, rgb = points_of(scene)
    made.add_geometry(trimesh.PointCloud(xyz, np.column_stack([rgb, np.full(len(rgb), 255, np.uint8)])), "points")
    made.apply_transform(Y_UP @ trimesh.transformations.translation_matrix(scene.cloud.origin))
    path.write_bytes(made.export(file_type="glb"))


def write_usd(path, graph, scene):
    """A USD stage (.usda, .usdc or .usd), z up, in metres: one mesh per thing, below its kind, and the points.

    Needs usd-core. Attributes `label`, `number` and `score` are in the namespace `userProperties`.
    """
    import_library("pxr", "USD", INSTEAD, "usd-core")
    from pxr import Sdf, Usd, UsdGeom

    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, "/map")
    if any(scene.cloud.origin):
        root.AddTranslateOp().Set(scene.cloud.origin)  # doubles
    stage.SetDefaultPrim(root.GetPrim())
    for solid in solids_of(graph, scene.cloud.origin):
        node = solid.node
        mesh = UsdGeom.Mesh.Define(stage, f"/map/{node.kind}s/{re.sub(r'[^0-9A-Za-z_]', '_', node.id)}")
        mesh.CreatePointsAttr(solid.vertices.astype(np.float32))
        mesh.CreateFaceVertexCountsAttr(np.full(len(solid.triangles), 3))
        mesh.CreateFaceVertexIndicesAttr(solid.triangles.ravel())
        mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
        mesh.CreateDoubleSidedAttr(True)
        r, g, b, a = (value / 255 for value in solid.color)
        mesh.CreateDisplayColorAttr([(r, g, b)])
        mesh.CreateDisplayOpacityAttr([a])
        for name, kind, value in (
            ("label", Sdf.ValueTypeNames.String, node.label),
            ("number", Sdf.ValueTypeNames.Int, node.number),
            ("score", Sdf.ValueTypeNames.Float, node.score),
        ):
            mesh.GetPrim().CreateAttribute(f"userProperties:{name}", kind).Set(value)
    xyz, rgb = points_of(scene)
    points = UsdGeom.Points.Define(stage, "/map/points")
    points.CreatePointsAttr(xyz.astype(np.float32))
    points.CreateWidthsAttr(np.full(len(xyz), POINT_WIDTH, dtype=np.float32))
    UsdGeom.PrimvarsAPI(points).CreatePrimvar(
        "displayColor", Sdf.ValueTypeNames.Color3fArray, UsdGeom.Tokens.vertex
    ).Set((rgb / np.float32(255)).astype(np.float32))
    stage.GetRootLayer().Export(str(path))
