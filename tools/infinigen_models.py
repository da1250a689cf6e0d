#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# /// script
# requires-python = "==3.11.*"
# dependencies = ["bpy==4.2.0", "infinigen==1.15.5", "scikit-image==0.22.0"]
# [tool.uv]
# override-dependencies = ["scikit-image==0.22.0"]
# ///
"""Generate furniture models with Infinigen (BSD-3-Clause) for `spaceformer assets --infinigen FOLDER`.

    uv run tools/infinigen_models.py FOLDER --seeds 16

A program of its own, as Blender needs its own Python packages (0.5 GB; the override is for Infinigen's pin of
scikit-image, which has no wheel for Python 3.11). It needs neither a display nor a GPU. Each factory builds another
shape from each seed: FOLDER/FACTORY/SEED.npz has vertices [V, 3] float32 (metres, z up, the front towards +x),
triangles [F, 3] int32, material [F] uint8 and the names of the materials. Files that exist are kept.
"""

import argparse
import contextlib
import importlib
import io
import os
import pathlib
import time

FACTORIES = {
    "appliances": ("BeverageFridge", "Dishwasher", "Microwave", "Monitor", "Oven", "TV"),
    "bathroom": ("Bathtub", "StandingSink", "Toilet"),
    "clothes": ("Towel",),
    "lamp": ("CeilingClassicLamp", "CeilingLight", "DeskLamp", "FloorLamp"),
    "seating": ("ArmChair", "BarChair", "Bed", "Chair", "OfficeChair", "Pillow", "Sofa"),
    "shelves": (
        "CellShelf", "KitchenCabinet", "LargeShelf", "SidetableDesk", "SimpleBookcase", "SimpleDesk", "SingleCabinet",
        "TVStand", "TriangleShelf",
    ),
    "table_decorations": ("BookColumn", "BookStack", "Vase"),
    "tables": ("CoffeeTable", "SideTable", "TableCocktail", "TableDining"),
    "tableware": ("Bottle", "Bowl", "Cup", "LargePlantContainer"),
    "wall_decorations": ("RangeHood", "WallShelf"),
}  # fmt: skip
MOST_SECONDS = 90  # of one factory: the leaves of large plants take half a minute each


def main():
    """Write the models of all factories and seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=16, help="models of each factory")
    parser.add_argument("--part", default="0/1", help="I/N: every Nth factory from the Ith, for several processes")
    options = parser.parse_args()
    number, parts = map(int, options.part.split("/"))
    names = [(module, name) for module, factories in FACTORIES.items() for name in factories]
    for module, name in names[number::parts]:
        started = time.monotonic()
        for seed in range(options.seeds):
            path = options.folder / name / f"{seed}.npz"
            if not path.exists() and time.monotonic() - started < MOST_SECONDS:
                write(path, module, name, seed)
        print(f"{name}: {len(list((options.folder / name).glob('*.npz')))} models", flush=True)


def write(path, module, name, seed):
    """Spawn one model and write it; a factory that fails is said and left out."""
    import bpy
    import numpy as np

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            vertices, triangles, material, names = spawn(module, name, seed)
    except Exception as error:  # of any kind: Infinigen's factories have no list of them
        print(f"{name} {seed} left out: {type(error).__name__}: {error}", flush=True)
        return
    finally:
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
        bpy.ops.outliner.orphans_purge(do_recursive=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, vertices=vertices, triangles=triangles, material=material, names=np.array(names))
    os.replace(partial, path)


def spawn(module, name, seed):
    """Vertices, triangles, material of each triangle and names of the materials of one model."""
    import numpy as np
    from infinigen.core.util.math import FixedSeed

    with FixedSeed(seed):
        factory = getattr(importlib.import_module(f"infinigen.assets.objects.{module}"), f"{name}Factory")(seed)
        item = bare_bed(factory) if name == "Bed" else factory.spawn_asset(0)
        if name != "Bed":
            factory.finalize_assets([item])
    parts = [triangles_of(part) for part in [item, *item.children_recursive] if part.type == "MESH"]
    names = list(dict.fromkeys(label for part in parts for label in part[3])) or ["plain"]
    start = np.cumsum([0] + [len(part[0]) for part in parts])
    material = [np.array([names.index(label) for label in part[3]], np.uint8)[part[2]] for part in parts]
    triangles = [part[1] + first for part, first in zip(parts, start, strict=False)]
    return np.concatenate([part[0] for part in parts]), np.concatenate(triangles), np.concatenate(material), names


def bare_bed(factory):
    """A bed frame with a mattress without springs: bedding is simulated cloth, which takes minutes."""
    from infinigen.assets.objects.seating import bedframe

    factory.mattress_factory.type = "wrapped"
    frame = bedframe.BedFrameFactory.create_asset(factory, i=0)
    factory.make_mattress(0).parent = frame
    return frame


def triangles_of(item):
    """Vertices in the world [V, 3], triangles [F, 3], material slot [F] and names of the slots of a mesh object."""
    import bpy
    import numpy as np

    bpy.context.view_layer.update()
    mesh = item.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    mesh.calc_loop_triangles()
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    triangles = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    slot = np.empty(len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("material_index", slot)
    names = [s.material.name.split(".")[0] if s.material else "plain" for s in item.material_slots] or ["plain"]
    world = np.array(item.matrix_world, np.float32)
    return vertices.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3], triangles.reshape(-1, 3), slot, names


if __name__ == "__main__":
    main()
