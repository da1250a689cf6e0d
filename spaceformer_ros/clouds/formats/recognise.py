# SPDX-License-Identifier: Apache-2.0
"""What a file really is where it is not what its suffix says, by its first bytes, and what to do about it."""

from .known_lists import DENSE, TRAJECTORY, known_list

HEAD = 4096  # bytes that are looked at
UNPACK = "it is compressed: unpack it first"
PICTURES = "it lists the pictures of a recording in the layout of TUM RGB-D: give its folder to `spaceformer fuse`"

# First bytes in lower case, suffixes that are right for them, sentence.
SIGNATURES = (
    (b"version https://git-lfs", (), "it is a pointer of Git LFS, not the file: run `git lfs pull`"),
    (b"<!doctype html", (), "it is a web page, probably the answer to a failed download"),
    (b"<html", (), "it is a web page, probably the answer to a failed download"),
    (b"\x1f\x8b", (), UNPACK),
    (b"bzh", (), UNPACK),
    (b"\xfd7zxz", (), UNPACK),
    (b"\x28\xb5\x2f\xfd", (), UNPACK),
    (b"7z\xbc\xaf", (), UNPACK),
    (b"pk\x03\x04", (".npz",), "it is a ZIP archive: unpack it, or, if it holds arrays of NumPy, name it .npz"),
    (b"\xff\xfe", (), "it is text in UTF-16: save it as UTF-8"),
    (b"\xfe\xff", (), "it is text in UTF-16: save it as UTF-8"),
    (b"ply\n", (".ply",), "it is PLY: name it .ply"),
    (b"ply\r", (".ply",), "it is PLY: name it .ply"),
    (b"# .pcd", (".pcd",), "it is PCD: name it .pcd"),
    (b"version .7", (".pcd",), "it is PCD: name it .pcd"),
    (b"version 0.7", (".pcd",), "it is PCD: name it .pcd"),
    (b"\x93numpy", (".npy",), "it is an array of NumPy: name it .npy"),
    (b"lasf", (".las", ".laz"), "it is LAS: name it .las or .laz"),
    (b"astm-e57", (".e57",), "it is E57: name it .e57"),
    (b"gltf", (".glb",), "it is GLB: name it .glb"),
    (b"{", (".gltf",), "it is JSON, or text in braces, and no table"),
    (b"# 3d point list", (), f"it is COLMAP's list of sparse points: {DENSE}"),
    (b"# image list with", (), f"it is COLMAP's list of pictures: {DENSE}"),
    (b"# camera list with", (), f"it is COLMAP's list of cameras: {DENSE}"),
    (b"# bundle file", (), "it holds Bundler's sparse points: give a dense cloud"),
    (b"nvm_v3", (), "it holds VisualSFM's sparse points: give a dense cloud"),
    (b"# timestamp tx ty tz", (), TRAJECTORY),
    (b"#timestamp tx ty tz", (), TRAJECTORY),
    (b"# ground truth trajectory", (), TRAJECTORY),
    (b"#timestamp, p_", (), TRAJECTORY),
    (b"#timestamp [ns],p_", (), TRAJECTORY),
    (b"#timestamp [ns], p_", (), TRAJECTORY),
    (b"# color images", (), PICTURES),
    (b"# depth maps", (), PICTURES),
    (b"sqlite format 3", (), "it is an SQLite database; if RTAB-Map wrote it, run `rtabmap-export` on it"),
)

# Files of other programs, and how to get a cloud out of them.
EXPORTS = {
    ".safetensors": "`spaceformer find`, `view`, `layout` and `export` read saved scenes",
    ".db": "if RTAB-Map wrote it, `rtabmap-export FILE.db` writes its map as PLY",
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".tar"), "unpack it first"),
    **dict.fromkeys((".ptx", ".rcp", ".rcs", ".fls", ".bin", ".fbx"), "export it as PLY, such as with CloudCompare"),
    **dict.fromkeys((".splat", ".ksplat", ".spz"), "export the splats as PLY"),
    **dict.fromkeys((".vtk", ".vtp", ".vtu"), "export it as PLY with ParaView"),
    **dict.fromkeys((".dae", ".3ds", ".usd", ".usdz", ".blend", ".dxf", ".ifc"), "export it as GLB or PLY"),
    **dict.fromkeys((".pt", ".pth", ".pkl", ".mat", ".h5", ".hdf5", ".parquet"), "save arrays xyz and rgb as NPZ"),
    **dict.fromkeys(
        (".nvm", ".out", ".sfm"), "sparse points of structure from motion are too few: give its dense cloud"
    ),
    **dict.fromkeys((".svo", ".svo2"), "it is a recording of a ZED camera: export its fused cloud as PLY"),
    **dict.fromkeys((".pcap", ".pcapng"), "it holds packets of a sensor: map them first"),
    **dict.fromkeys((".bt", ".ot"), "OctoMaps have no points: save the cloud that they were made from"),
}
COLMAP = "points3d.bin", "images.bin", "cameras.bin", "frames.bin", "rigs.bin"  # files of a sparse model


def how_to_export(path):
    """What to do with a file whose suffix no reader has, "" if that is not known."""
    if path.name.lower() in COLMAP:
        return f"it is part of COLMAP's sparse model: {DENSE}"
    return EXPORTS.get(path.suffix.lower(), "")


def foreign_content(path):
    """A sentence about a regular file whose content does not fit its suffix, "" if it does or is not known."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        return "it is empty"
    if not head.strip(b"\0"):
        return "it begins with zeros only: copying or downloading it was probably interrupted"
    suffix, start = path.suffix.lower(), head.lower()
    for magic, right, text in SIGNATURES:
        if start.startswith(magic):
            return "" if suffix in right else text
    whole_lines = head if len(head) < HEAD else head.rpartition(b"\n")[0]
    return "" if b"\0" in head else known_list(whole_lines)


def sparse_model(folder):
    """A sentence about a folder that is, or has, a sparse model of COLMAP, "" for others."""
    names = {*COLMAP, *(name.replace(".bin", ".txt") for name in COLMAP)}
    folders = [path for path in (folder, folder / "sparse", folder / "sparse" / "0") if path.is_dir()]
    if sum(entry.name.lower() in names for path in folders for entry in path.iterdir()) < 2:
        return ""
    return f"it is COLMAP's model, whose pictures have no depth: {DENSE}"
