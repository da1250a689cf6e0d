# SPDX-License-Identifier: Apache-2.0
"""Damaged clouds and files, drawn by seed: inputs of `test_fuzz.py` and `benchmarks/fuzz.py`.

A mutation is a function (message or bytes, rng). `mutated_message(seed)` and `mutated_file(content, seed)` apply a
few together; the same seed draws the same mutations.
"""

import pathlib
import re
import time
import tracemalloc
import types
import warnings
from dataclasses import dataclass

import numpy as np

from benchmarks.cloud_messages import message, packed
from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.files import read_cloud, write_cloud
from spaceformer_ros.clouds.pointcloud2 import decode

NUMBERS = (0, 1, 2, 3, 4, 7, 8, 12, 255, 256, 4095, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 16, 2**32 - 1)
COORDINATES = (np.nan, np.inf, -np.inf, 1e-45, -0.0, 1e4, -1e6, 1e19, 1e38, -3.4e38, 1e39, 1.7e308)
NAMES = ("x", "y", "z", "rgb", "rgba", "r", "g", "b", "red", "", "X", "intensity", "grün", "x_0", "n" * 300)
FRAMES = ("", "map", "/map", "другая", "a b\n{}", "%s%n", "f" * 5000)
PATIENCE = 2.0  # seconds of the processor for one small message or file: others may keep the machine busy
VARYING = re.compile(r"'[^']*'|\S*/\S+|-?\d[\d.e+-]*|\([^)]*\)?")  # values that differ between errors of one kind
MESH_MEMORY = 300 << 20  # bytes for a mesh: its points depend on its surface, not on the size of the file
MEMORY = 16 << 20  # bytes beyond the input that a reader may hold at its peak: the inputs have a few kilobytes


# --- messages ---------------------------------------------------------------------------------------------------------


def valid_message(rng):
    """A small valid cloud in one of the common layouts: packed or separate colours, padding, both byte orders."""
    height = int(rng.choice([1, 1, 2, 5]))
    count = height * int(rng.integers(1, 40))
    kind, big = str(rng.choice(["f4", "f4", "f8"])), bool(rng.random() < 0.2)
    xyz, rgb = rng.normal(size=(count, 3)), rng.integers(0, 256, (count, 3), dtype=np.uint8)
    columns = {axis: (kind, xyz[:, i]) for i, axis in enumerate("xyz")}
    if rng.random() < 0.6:
        bits = packed(rgb, int(rng.choice([0, 255])))
        color = str(rng.choice(["u4", "i4", "f4"]))
        columns[str(rng.choice(["rgb", "rgba"]))] = (color, bits.view(color))
    else:
        columns.update({name: ("u1", rgb[:, i]) for i, name in enumerate("rgb")})
    columns["intensity"] = ("f4", rng.random(count))
    padding = {"point_padding": int(rng.choice([0, 0, 12])), "row_padding": int(rng.choice([0, 0, 20]))}
    return message(columns, height=height, big=big, **padding)


def number(rng, value):
    """Another uint32 for a number of a message: a neighbour, a multiple, a small one or an extreme one."""
    near = (value - 1, value + 1, 2 * value, value // 2, int(rng.integers(64)))
    return int(rng.choice([*near, *NUMBERS])) % 2**32


def change_width(cloud, rng):
    cloud.width = number(rng, cloud.width)


def change_height(cloud, rng):
    cloud.height = number(rng, cloud.height)


def swap_width_and_height(cloud, rng):
    cloud.width, cloud.height = cloud.height, cloud.width


def change_point_step(cloud, rng):
    cloud.point_step = number(rng, cloud.point_step)


def change_row_step(cloud, rng):
    cloud.row_step = number(rng, cloud.row_step)


def flip_endianness(cloud, rng):
    cloud.is_bigendian = not cloud.is_bigendian


def lose_endianness(cloud, rng):
    """Swap the bytes of the data but not the flag."""
    cloud.data = np.frombuffer(cloud.data[: len(cloud.data) // 4 * 4], dtype="<u4").byteswap().tobytes()


def _any_field(cloud, rng):
    return cloud.fields[int(rng.integers(len(cloud.fields)))] if cloud.fields else types.SimpleNamespace(offset=0)


def change_field_name(cloud, rng):
    _any_field(cloud, rng).name = str(rng.choice(NAMES))


def change_field_offset(cloud, rng):
    field = _any_field(cloud, rng)
    field.offset = number(rng, field.offset)


def change_field_datatype(cloud, rng):
    _any_field(cloud, rng).datatype = int(rng.choice([*range(10), 127, 128, 255]))


def change_field_count(cloud, rng):
    _any_field(cloud, rng).count = number(rng, 1)


def change_color_datatypes(cloud, rng):
    """Colours in every type, with counts."""
    datatype, count = int(rng.integers(1, 9)), int(rng.choice([0, 1, 1, 1, 2]))
    for field in cloud.fields:
        if field.name in ("r", "g", "b", "rgb", "rgba"):
            field.datatype, field.count = datatype, count


def drop_field(cloud, rng):
    if cloud.fields:
        cloud.fields.pop(int(rng.integers(len(cloud.fields))))


def drop_all_fields(cloud, rng):
    cloud.fields = []


def repeat_field(cloud, rng):
    if cloud.fields:
        cloud.fields.append(_any_field(cloud, rng))


def shuffle_fields(cloud, rng):
    cloud.fields = [cloud.fields[i] for i in rng.permutation(len(cloud.fields))]


def add_fields(cloud, rng):
    """Further fields, some of them over others."""
    for i in range(int(rng.choice([1, 3, 300]))):
        values = {"name": f"more{i}", "offset": int(rng.integers(16)), "datatype": int(rng.integers(1, 9)), "count": 1}
        cloud.fields.append(types.SimpleNamespace(**values))


def overlap_fields(cloud, rng):
    for field in cloud.fields:
        field.offset = int(rng.integers(8))


def truncate_data(cloud, rng):
    cloud.data = cloud.data[: int(rng.integers(len(cloud.data) + 1))]


def extend_data(cloud, rng):
    cloud.data = cloud.data + rng.bytes(int(rng.integers(1, 200)))


def drop_data(cloud, rng):
    cloud.data = b""


def fill_data(cloud, rng):
    cloud.data = bytes([int(rng.choice([0, 255, 127]))]) * len(cloud.data)


def flip_bytes(cloud, rng):
    cloud.data = flipped(cloud.data, rng)


def draw_data(cloud, rng):
    cloud.data = rng.bytes(len(cloud.data))


def _place(cloud, rng, share):
    """Put one of COORDINATES into a share of the points, wherever the layout has a coordinate."""
    data, order, value = bytearray(cloud.data), ">" if cloud.is_bigendian else "<", rng.choice(COORDINATES)
    fields = [f for f in cloud.fields if f.name in ("x", "y", "z") and f.datatype in (7, 8)]
    with np.errstate(over="ignore"):
        patches = [(f.offset, np.array(value, dtype=order + ("f4" if f.datatype == 7 else "f8"))) for f in fields]
    for start in range(0, len(data), max(cloud.point_step, 8)):
        for offset, patch in patches:
            end = start + offset + patch.itemsize
            if end <= len(data) and rng.random() < share:
                data[start + offset : end] = patch.tobytes()
    cloud.data = bytes(data)


def place_coordinates(cloud, rng):
    _place(cloud, rng, 0.2)


def place_coordinates_everywhere(cloud, rng):
    _place(cloud, rng, 1.0)


def change_stamp(cloud, rng):
    cloud.header.stamp.sec = int(rng.choice([-(2**31), -1, 0, 2**31 - 1]))
    cloud.header.stamp.nanosec = int(rng.choice([0, 999_999_999, 1_000_000_000, 2**32 - 1]))


def change_frame(cloud, rng):
    cloud.header.frame_id = str(rng.choice(FRAMES))


MUTATIONS = (
    *(change_width, change_height, swap_width_and_height, change_point_step, change_row_step),
    *(flip_endianness, lose_endianness, change_field_name, change_field_offset, change_field_datatype),
    *(change_field_count, change_color_datatypes, drop_field, drop_all_fields, repeat_field, shuffle_fields),
    *(add_fields, overlap_fields, truncate_data, extend_data, drop_data, fill_data, flip_bytes, draw_data),
    *(place_coordinates, place_coordinates_everywhere, change_stamp, change_frame),
)


def mutated_message(seed):
    """A message like PointCloud2 with up to four mutations, every number in the range of its message type.

    Returns (message, names of the mutations). Half of the messages have one mutation only: several together mostly
    end at the first check.
    """
    rng = np.random.default_rng(seed)
    cloud = valid_message(rng)
    chosen = rng.choice(len(MUTATIONS), size=int(rng.choice([1, 1, 1, 2, 3, 4])), replace=False)
    for index in chosen:
        MUTATIONS[index](cloud, rng)
    return cloud, [MUTATIONS[index].__name__ for index in chosen]


# --- files ------------------------------------------------------------------------------------------------------------


def flipped(content, rng):
    """One to four bytes replaced, anywhere."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5)) if data else 0):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    return bytes(data)


def flipped_early(content, rng):
    """As `flipped`, among the first 300 bytes: headers."""
    return flipped(content[:300], rng) + content[300:]


def flipped_late(content, rng):
    """As `flipped`, among the last 300 bytes: a zip's directory."""
    return content[:-300] + flipped(content[-300:], rng)


def wrong_number(content, rng):
    """One decimal number of the header becomes another, of any length."""
    found = list(re.finditer(rb"\d+", content[:400]))
    if not found:
        return content
    match = found[int(rng.integers(len(found)))]
    value = rng.choice(
        [b"0", b"-1", b"3", b"100000", b"2147483648", b"99999999999", b"9" * 30, b"9" * 5000, b"1.5", b""]
    )
    return content[: match.start()] + bytes(value) + content[match.end() :]


def missing_word(content, rng):
    """One word of the header is removed."""
    found = list(re.finditer(rb"[A-Za-z0-9_]+ ?", content[:400]))
    match = found[int(rng.integers(len(found)))] if found else None
    return content[: match.start()] + content[match.end() :] if match else content


def repeated_line(content, rng):
    """One line of the header is repeated."""
    lines = content.split(b"\n")
    index = int(rng.integers(min(len(lines), 12)))
    return b"\n".join([*lines[:index], lines[index], *lines[index:]])


def cut(content, rng):
    return content[: int(rng.integers(len(content) + 1))]


def extended(content, rng):
    return content + rng.bytes(int(rng.integers(1, 200)))


def wrong_word(content, rng):
    """Four or eight bytes in a row become an extreme binary number, such as a size."""
    width = int(rng.choice([4, 8]))
    start = int(rng.integers(max(len(content) - width, 1)))
    value = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**30])) * int(rng.choice([1, 1, 2**20]))
    return content[:start] + (value % 2 ** (8 * width)).to_bytes(width, "little") + content[start + width :]


FILE_MUTATIONS = (
    *(flipped, flipped_early, flipped_late, wrong_number, missing_word, repeated_line, cut, extended, wrong_word),
)


def mutated_file(content, seed):
    """`content` with one or two mutations. Returns (bytes, names of the mutations)."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(FILE_MUTATIONS), size=int(rng.choice([1, 1, 2])), replace=False)
    for index in chosen:
        content = FILE_MUTATIONS[index](content, rng)
    return content, [FILE_MUTATIONS[index].__name__ for index in chosen]


def valid_files(folder):
    """Small valid files: dict name -> bytes. Every format, and every encoding that is read."""
    rng = np.random.default_rng(0)
    xyz, rgb = rng.normal(size=(60, 3)).astype(np.float32), rng.integers(0, 256, (60, 3), dtype=np.uint8)
    for name in ("binary.ply", "compressed.pcd", "compressed.npz"):
        write_cloud(pathlib.Path(folder) / name, Cloud(xyz, rgb), {"instance": np.arange(60)})
    files = {path.name: path.read_bytes() for path in sorted(pathlib.Path(folder).iterdir())}
    np.savez(pathlib.Path(folder) / "stored.npz", xyz=xyz, rgb=rgb)
    files["stored.npz"] = (pathlib.Path(folder) / "stored.npz").read_bytes()
    rows = "".join(f"{x:.6f} {y:.6f} {z:.6f} {c}\n" for (x, y, z), c in zip(xyz, packed(rgb)))
    pcd = "VERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH 60\nHEIGHT 1\n"
    pcd += "VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 60\nDATA {}\n"
    files["text.pcd"] = (pcd.format("ascii") + rows).encode()
    files["binary.pcd"] = pcd.format("binary").encode() + np.column_stack([xyz, packed(rgb).view("f4")]).tobytes()
    ply = "ply\nformat ascii 1.0\nelement vertex 60\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    files["text.ply"] = (ply + "property int rgb\nend_header\n" + rows).encode()
    return files


# --- checks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """Result of one input: "cloud", or the beginning of the error without its numbers and names."""

    text: str
    seconds: float
    peak: int  # bytes, highest allocation


def fuzz_message(seed):
    """Decode one mutated message: its Outcome. Raises AssertionError that names the seed."""
    cloud, names = mutated_message(seed)
    label = f"message seed {seed} ({', '.join(names)})"
    limit = max(cloud.width, 1) * max(cloud.height, 1)
    return checked(lambda: check_valid(decode(cloud, allow_gray=seed % 2 == 0), limit), "cloud", label)


def fuzz_file(folder, name, content, seed):
    """Read one mutated file, written into `folder`: its Outcome. Raises AssertionError that names the seed."""
    content, names = mutated_file(content, seed)
    path = pathlib.Path(folder) / name
    path.unlink(missing_ok=True)  # ext4 writes a file that was emptied and filled again to the disk at once
    path.write_bytes(content)
    label = f"{name} seed {seed} ({', '.join(names)})"
    limit = 100 * len(content)
    return checked(lambda: check_valid(read_cloud(path, allow_gray=seed % 2 == 0), limit), "cloud", label)


def fuzz_reader(path, read, content, seed):
    """Read one mutated file with any reader: its Outcome. Raises AssertionError that names the seed."""
    content, names = mutated_file(content, seed)
    path.write_bytes(content)
    memory = MESH_MEMORY if path.stem.startswith("mesh") else MEMORY
    return checked(lambda: read(path), "read", f"{path.name} seed {seed} ({', '.join(names)})", memory)


def checked(read, success, label, memory=MEMORY):
    """Call `read()`, which must return or raise SpaceformerError, and measure it: an Outcome.

    success: text of the Outcome if it returns; label: names the input in a failure; memory: bytes that it may hold.
    Warnings are failures too.
    tracemalloc must be running: it counts what was allocated, also if the memory was never touched.
    """
    tracemalloc.reset_peak()
    before, start = tracemalloc.get_traced_memory()[0], time.process_time()
    refusal = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            read()
        except SpaceformerError as error:
            refusal = error
        except Exception as error:
            raise AssertionError(f"{label}: {type(error).__name__}: {error}") from error
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1] - before
    assert seconds < PATIENCE, f"{label}: took {seconds:.1f} s"
    assert peak < memory, f"{label}: held {peak / 2**20:.0f} MiB at its peak"
    if refusal is None:
        return Outcome(success, seconds, peak)
    text = str(refusal)
    assert text.strip(), f"{label}: an error without a message"
    assert not isinstance(refusal.__cause__, MemoryError), f"{label}: {text}"
    return Outcome(VARYING.sub("_", text)[:60], seconds, peak)


def check_valid(decoded, max_points):
    """The invariants of a DecodedCloud. max_points: upper limit that follows from the size of the input."""
    cloud = decoded.cloud
    assert 1 <= len(cloud) <= len(decoded.kept) <= max_points
    assert cloud.xyz.shape == cloud.rgb.shape == (len(cloud), 3)
    assert (cloud.xyz.dtype, cloud.rgb.dtype) == (np.float32, np.uint8)
    assert np.isfinite(cloud.xyz).all()
    assert decoded.kept.sum() == len(cloud)
