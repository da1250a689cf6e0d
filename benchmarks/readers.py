# SPDX-License-Identifier: Apache-2.0
"""Every reader of files with a valid file for each, and hostile files: what `benchmarks/fuzz.py` tries.

A reader must return or raise SpaceformerError, within SECONDS and MEMORY. Mutated files run in this process; hostile
ones (pipes, devices, bombs) in a separate process, because a reader that hangs cannot be interrupted otherwise.
"""

import json
import multiprocessing
import os
import pathlib
import resource
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save_file

from spaceformer_ros import SpaceformerError
from spaceformer_ros.cameras.images import read_color, read_depth, write_png
from spaceformer_ros.cameras.recordings.numbered import camera_of, read_matrix
from spaceformer_ros.cameras.recordings.recording import poses_of_matrices
from spaceformer_ros.cameras.recordings.tum import nearest, pose_of_row, read_list
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.files import read_cloud, write_cloud
from spaceformer_ros.config import Config
from spaceformer_ros.evaluation import scannet
from spaceformer_ros.evaluation.answers import read_answers, read_texts
from spaceformer_ros.evaluation.classes import read_classes
from spaceformer_ros.evaluation.files import read_sample
from spaceformer_ros.network.model import SpaCeFormer, SpaCeFormerConfig, StageConfig
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.scene.file import read_scene
from spaceformer_ros.synthetic import RoomConfig, make_room
from spaceformer_ros.synthetic.assets.catalogue import CATALOGUE, read_catalogue
from spaceformer_ros.synthetic.assets.mesh import read_mesh
from spaceformer_ros.training.tables import read_tables
from spaceformer_ros.training.train import read_config
from spaceformer_ros.training.views import Views
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL, load_file, save_checkpoint
from spaceformer_ros.words.similarity import Similarity
from spaceformer_ros.words.vocabulary_file import read_vocabulary_file

SECONDS = 2.0  # for one file, on a busy machine
MEMORY = 300 << 20  # bytes by which the process may grow
VOCABULARY = "labels: [chair, 'sofa|couch']\nbackground: [wall]\ntemplates: ['a {} in a room']\n"
CLASSES = "classes: {2: chair, 4: 'sofa|couch'}\ngroups: {base: [chair], novel: [sofa]}\n"
MESHES = ("ply", "obj", "glb", "gltf", "stl", "off")
YAML = {
    "deep.yaml": "labels: " + 5000 * "[" + 5000 * "]",
    "aliases.yaml": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join(9 * ['*' + a])}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    + "labels: *i\n",
    "date.yaml": "labels: [2024-13-45]\n",
    "tag.yaml": "labels: [!!int x]\n",
    "python.yaml": "labels: !!python/object/apply:os.system ['true']\n",
    "numbers.yaml": "labels: [1, 2.5, null, true]\n",
    "braces.yaml": "labels: [chair]\ntemplates: ['{} {x}', '{0.__class__}']\n",
    "latin.yaml": "labels: [gr\udcfcn]\n",
}


@dataclass(frozen=True)
class Reader:
    """write: writes a valid file to a path; read: reads it."""

    write: Callable
    read: Callable


def readers():
    """Dict file name -> Reader."""
    return {
        "cloud.ply": Reader(_write_cloud, read_cloud),
        "cloud.pcd": Reader(_write_cloud, read_cloud),
        "cloud.npz": Reader(_write_cloud, read_cloud),
        "cloud.npy": Reader(lambda path: np.save(path, small_table()), read_cloud),
        **dict.fromkeys(("cloud.xyz", "cloud.pts"), Reader(lambda path: np.savetxt(path, small_table()), read_cloud)),
        "cloud.csv": Reader(_write_csv, read_cloud),
        **dict.fromkeys(("cloud.las", "cloud.laz"), Reader(_write_las, read_cloud)),
        "cloud.e57": Reader(_write_e57, read_cloud),
        **dict.fromkeys([f"mesh.{suffix}" for suffix in MESHES], Reader(_write_mesh, read_points)),
        "mesh_textured.ply": Reader(_write_textured, read_points),
        "trajectory.txt": Reader(_write_trajectory, _read_trajectory),
        "pose.txt": Reader(
            lambda path: np.savetxt(path, np.eye(4)), lambda path: poses_of_matrices([read_matrix(path)])
        ),
        "intrinsics.txt": Reader(_write_intrinsics, lambda path: camera_of(read_matrix(path), 64, 48)),
        "color.png": Reader(lambda path: write_png(path, _small_picture(np.uint8)), read_color),
        "depth.png": Reader(
            lambda path: write_png(path, _small_picture(np.uint16)), lambda path: read_depth(path, 0.001)
        ),
        "furniture.sh3f": Reader(_write_furniture, _read_furniture),
        "collected.safetensors": Reader(_write_collected, lambda path: read_tables(path.parent, [path.stem], Views)),
        "scene.safetensors": Reader(_write_scene, read_scene),
        "checkpoint.safetensors": Reader(_write_checkpoint, load_file),
        "vocabulary.yaml": Reader(lambda path: path.write_text(VOCABULARY), read_vocabulary_file),
        "vocabulary.txt": Reader(lambda path: path.write_text("chair\nsofa|couch\n"), read_vocabulary_file),
        "classes.yaml": Reader(lambda path: path.write_text(CLASSES), read_classes),
        "training.yaml": Reader(lambda path: path.write_text("steps: 10\n"), read_config),
        "prediction.ply": Reader(_write_instances, read_sample),
        "prediction.npz": Reader(_write_masks, read_sample),
        "truth.txt": Reader(lambda path: path.write_text("2001\n0\n4002\n"), scannet.read_truth),
        "masks.txt": Reader(_write_scannet, lambda path: scannet.read_prediction(path, 3)),
        "room_texts.json": Reader(lambda path: path.write_text('{"red chair": [4, 7]}'), read_texts),
        "room_answers.json": Reader(lambda path: path.write_text('{"red chair": {"12": 0.8, "3": 0.1}}'), read_answers),
        "room_answers.npz": Reader(_write_answers, read_answers),
    }


def small_cloud():
    """A Cloud of 60 points."""
    rng = np.random.default_rng(0)
    return Cloud(rng.normal(size=(60, 3)).astype(np.float32), rng.integers(0, 256, (60, 3), dtype=np.uint8), "map")


def small_table():
    """The points of `small_cloud` as rows x, y, z, red, green, blue."""
    cloud = small_cloud()
    return np.column_stack([cloud.xyz, cloud.rgb])


def read_points(path):
    """`read_cloud` of a file that may be without colour."""
    return read_cloud(path, allow_gray=True)


def _write_csv(path):
    np.savetxt(path, small_table(), delimiter=",", header="x,y,z,red,green,blue", comments="")


def _write_las(path):
    import laspy

    las, cloud = laspy.LasData(laspy.LasHeader(point_format=3, version="1.2")), small_cloud()
    las.x, las.y, las.z = cloud.xyz.T
    las.red, las.green, las.blue = cloud.rgb.T.astype(np.uint16) * 256
    las.write(path)


def _write_e57(path):
    import pye57

    names = [f"cartesian{axis}" for axis in "XYZ"] + [f"color{name}" for name in ("Red", "Green", "Blue")]
    cloud, file = small_cloud(), pye57.E57(str(path), mode="w")
    columns = [*cloud.xyz.T.astype(float), *cloud.rgb.T]
    file.write_scan_raw(dict(zip(names, (np.ascontiguousarray(column) for column in columns))))
    file.close()


def _write_mesh(path):
    import trimesh

    trimesh.creation.box((0.1, 0.1, 0.05)).export(path)


def _write_cloud(path):
    write_cloud(path, small_cloud())


def _write_instances(path):
    write_cloud(path, small_cloud(), {"instance": np.arange(60) // 10, "score": np.ones(60, np.float32)})


def _write_masks(path):
    np.savez(path, masks=np.eye(3, 60, dtype=bool), labels=np.array([2, 4, 4]), scores=np.ones(3))


def _write_scannet(path):
    path.with_name("mask.txt").write_text("1\n0\n1\n")
    path.write_text("mask.txt 2 0.9\n")


def _write_answers(path):
    features = np.eye(3, 6, dtype=np.float32)
    np.savez(path, ids=np.arange(3), features=features, texts=np.array(["red chair"]), text_features=features[:1])


def _write_scene(path):
    pipeline = build_pipeline(Config().with_values({"warm_up": False, "device": "cpu"}))
    pipeline.process(make_room(1, RoomConfig(width=(3.0, 3.2), depth=(3.0, 3.2), tours=(0, 0, 1))).cloud)
    pipeline.save(path)


def _write_checkpoint(path):
    stages = {"encoder": (StageConfig(8, 1, "space", 8, 1),) * 2, "decoder": (StageConfig(16, 2, "space", 8, 1),)}
    sizes = {"feature_channels": 24, "text_channels": 6, "decoder_channels": 24, "decoder_heads": 2, "point_head": 4}
    model = SpaCeFormer(SpaCeFormerConfig(**stages, **sizes, decoder_hidden=32, num_queries=10, voxel_size=0.05))
    save_checkpoint(path, model, DEMO_TEXT_MODEL, Similarity())


def _write_textured(path):
    corners = [(0, 0, 0), (1, 0, 0), (1, 0, 2), (0, 0, 2)]
    header = ["ply", "format ascii 1.0", "comment TextureFile photo.png", "element vertex 4"]
    header += [f"property float {axis}" for axis in "xyz"]
    header += ["element face 2", "property list uchar int vertex_indices", "property list uchar float texcoord"]
    faces = ["3 0 1 2 6 0 0 1 0 1 1", "3 0 2 3 6 0 0 1 1 0 1"]
    rows = [" ".join(map(str, corner)) for corner in corners]
    path.write_text("\n".join([*header, "end_header", *rows, *faces, ""]))
    write_png(path.with_name("photo.png"), np.full((8, 8, 3), 90, np.uint8))


def _small_picture(kind):
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max, (24, 32)).astype(kind)


def _write_trajectory(path):
    path.write_text("".join(f"{number / 30:.4f} {number} 0.5 1 0 0 0.6 0.8\n" for number in range(20)))


def _read_trajectory(path):
    stamps, rows = read_list(path)
    nearest(stamps, stamps)
    return [pose_of_row(row) for row in rows]


def _write_intrinsics(path):
    np.savetxt(path, [[50.0, 0.0, 31.5], [0.0, 50.0, 23.5], [0.0, 0.0, 1.0]])


def _write_furniture(path):
    row = "id#1=a#chair\nname#1=a\nwidth#1=40\ndepth#1=40\nheight#1=90\nmodel#1=/a.obj\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(CATALOGUE, row)
        archive.writestr("a.obj", "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl m\nf 1 2 3\n")
        archive.writestr("a.mtl", "newmtl m\nKd 1 0 0\n")


def _read_furniture(path):
    models = read_catalogue(path)
    with zipfile.ZipFile(path) as archive:
        return [read_mesh(archive, model) for model in models]


def _write_collected(path):
    save_file({name: torch.zeros(3) for name in Views._fields}, path)


# --- hostile files ----------------------------------------------------------------------------------------------------


def hostile_files(folder, name):
    """Paths in `folder` that a reader of files called `name` may be given: dict description -> path."""
    suffix = pathlib.Path(name).suffix
    files = {kind: folder / f"{kind}{suffix}" for kind in ("missing", "pipe", "device", "folder", "loop", "empty")}
    os.mkfifo(files["pipe"])
    files["device"].symlink_to("/dev/zero")
    files["folder"].mkdir()
    files["loop"].symlink_to(files["loop"].name)
    files["empty"].write_bytes(b"")
    files["sparse"] = folder / f"sparse{suffix}"
    with open(files["sparse"], "wb") as file:
        file.truncate(3 << 30)
    if suffix == ".yaml":
        for title, text in YAML.items():
            files[title] = folder / title
            files[title].write_bytes(text.encode("utf-8", "surrogateescape"))
    if suffix == ".json":
        files["deep"], files["infinite"] = folder / "deep.json", folder / "infinite.json"
        files["deep"].write_text(100_000 * "[")
        files["infinite"].write_text(json.dumps({"chair": float("inf")}))
    if suffix == ".npz":
        files["bomb"] = folder / "bomb.npz"
        write_bomb(files["bomb"], ("xyz", "rgb", "masks", "ids", "features", "texts", "text_features"))
    if suffix == ".safetensors":
        files["long header"] = folder / "header.safetensors"
        files["long header"].write_bytes((2**62).to_bytes(8, "little") + b"{}")
    return files


def write_bomb(path, names):
    """An NPZ file of a few MB whose arrays have 1.2 GB each."""
    header = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000, 3), }"
    header = header.ljust(127) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names[:1]:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(header)
                for _ in range(1200):
                    file.write(bytes(1_000_000))
        for name in names[1:]:
            archive.writestr(f"{name}.npy", header)


def try_in_process(read, path):
    """Read a file in a separate process. Returns (result, seconds, bytes by which the process grew).

    The result starts with "ok", "refused" or "WRONG", followed by the problem.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_read_and_report, args=(read, path, sender), daemon=True)
    child.start()
    sender.close()
    result = ("WRONG: hangs", 2 * SECONDS, 0)
    if receiver.poll(2 * SECONDS):
        try:
            result = receiver.recv()
        except EOFError:
            result = ("WRONG: the process died", 0.0, 0)
    child.kill()
    child.join()
    text, seconds, grown = result
    if not text.startswith("WRONG") and seconds > SECONDS:
        text = f"WRONG: took {seconds:.1f} s ({text})"
    if not text.startswith("WRONG") and grown > MEMORY:
        text = f"WRONG: {grown >> 20} MiB ({text})"
    return text, seconds, grown


def _read_and_report(read, path, sender):
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    try:
        read(path)
        text = "ok"
    except SpaceformerError as error:
        text = f"refused: {error}" if len(str(error)) < 2000 else f"WRONG: a message of {len(str(error))} characters"
    except BaseException as error:  # any other exception is a failure
        text = f"WRONG: {type(error).__name__}: {str(error)[:100]}"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sender.send((text, time.perf_counter() - start, 1024 * grown))
