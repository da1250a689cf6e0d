# SPDX-License-Identifier: Apache-2.0
import time
import types

import numpy as np
import pytest

from benchmarks.cloud_messages import message, packed
from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.colors import pack_color
from spaceformer_ros.clouds.pointcloud2 import cloud_columns, decode, encode


@pytest.fixture
def xyz(rng):
    return rng.normal(size=(12, 3)).astype(np.float32)


@pytest.fixture
def rgb(rng):
    return rng.integers(0, 256, (12, 3), dtype=np.uint8)


def plain(xyz, rgb, kind="f4"):
    return {**{axis: (kind, xyz[:, i]) for i, axis in enumerate("xyz")}, "rgb": ("u4", packed(rgb))}


def check(decoded, xyz, rgb):
    assert np.array_equal(decoded.cloud.xyz, xyz)
    assert np.array_equal(decoded.cloud.rgb, rgb)
    assert decoded.cloud.xyz.dtype == np.float32
    assert (decoded.cloud.frame_id, decoded.cloud.stamp_ns) == ("map", 3_000_000_005)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("point_padding", [0, 12])
@pytest.mark.parametrize("row_padding", [0, 20])
def test_layouts(xyz, rgb, big, point_padding, row_padding):
    cloud = message(plain(xyz, rgb), height=3, big=big, point_padding=point_padding, row_padding=row_padding)
    check(decode(cloud), xyz, rgb)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_a_byte_order_that_is_declared_wrong_is_noticed(xyz, rgb, big, kind):
    cloud = message(plain(xyz, rgb, kind), big=big)
    assert decode(cloud).cloud.remarks == ()
    cloud.is_bigendian = not big
    decoded = decode(cloud)
    check(decoded, xyz, rgb)
    assert decoded.cloud.remarks == ("the coordinates are in the other byte order than is declared: read so",)


def test_any_order_and_offsets_of_fields(xyz, rgb):
    columns = plain(xyz, rgb)
    shuffled = {name: columns[name] for name in ("rgb", "z", "x", "y")}
    shuffled["intensity"] = ("f4", np.full(12, np.nan))
    check(decode(message(shuffled, offsets=[13, 1, 5, 9, 17])), xyz, rgb)


def test_float64_coordinates(xyz, rgb):
    check(decode(message(plain(xyz, rgb, "f8"))), xyz, rgb)


@pytest.mark.parametrize("name", ["rgb", "rgba"])
@pytest.mark.parametrize("kind", ["u4", "i4", "f4"])
@pytest.mark.parametrize("alpha", [0, 255])
def test_packed_colors_of_any_type(xyz, rgb, name, kind, alpha):
    """Alpha 255 makes half of all packed colours NaN when read as floats: no point may be lost for it."""
    bits = packed(rgb, alpha).view(kind)
    columns = {k: v for k, v in plain(xyz, rgb).items() if k != "rgb"}
    decoded = decode(message({**columns, name: (kind, bits)}))
    check(decoded, xyz, rgb)
    assert decoded.num_dropped == 0


@pytest.mark.parametrize("names", [("r", "g", "b"), ("red", "green", "blue")])
def test_separate_color_bytes(xyz, rgb, names):
    columns = {k: v for k, v in plain(xyz, rgb).items() if k != "rgb"}
    check(decode(message({**columns, **{n: ("u1", rgb[:, i]) for i, n in enumerate(names)}})), xyz, rgb)


def test_separate_color_floats_between_0_and_1(xyz, rgb):
    columns = {k: v for k, v in plain(xyz, rgb).items() if k != "rgb"}
    floats = {n: ("f4", rgb[:, i] / np.float32(255)) for i, n in enumerate("rgb")}
    check(decode(message({**columns, **floats})), xyz, rgb)


def test_only_points_with_finite_coordinates_stay(xyz, rgb):
    xyz[[1, 5, 6], [0, 1, 2]] = [np.nan, np.inf, -np.inf]
    decoded = decode(message(plain(xyz, rgb), height=2))
    keep = [0, 2, 3, 4, 7, 8, 9, 10, 11]
    check(decoded, xyz[keep], rgb[keep])
    assert decoded.num_dropped == 3


def test_gray_is_accepted_only_when_allowed(xyz, rgb):
    columns = {k: v for k, v in plain(xyz, rgb).items() if k != "rgb"}
    columns["intensity"] = ("f4", np.ones(12))
    with pytest.raises(SpaceformerError, match=r"no colour \(fields: x, y, z, intensity\).*allow_gray"):
        decode(message(columns))
    decoded = decode(message(columns), allow_gray=True)
    assert not decoded.cloud.colored
    assert (decoded.cloud.rgb == 128).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 0}, "empty: width 0 x height 1"),
        ({"data": b""}, r"claims 12 x 1 points of 16 bytes \(192 bytes\) but carries 0"),
        ({"width": 4_000_000_000}, "truncated or its header is wrong"),
        ({"point_step": 12}, "rgb ends at byte 16 of a point, but point_step is 12"),
        (
            {"height": 3, "width": 4, "row_step": 10, "data": bytes(200)},
            "row_step 10 is smaller than width 4 x point_step 16",
        ),
        ({"fields": []}, "no field x, y, z"),
        ({"point_step": 0, "width": 2**31, "height": 2**31}, "point_step is 0, expected 1 to"),
        ({"point_step": 2**31, "width": 1}, "point_step is 2147483648, expected 1 to 2147483647"),
    ],
)
def test_messages_with_wrong_sizes_are_refused(xyz, rgb, changes, words):
    with pytest.raises(SpaceformerError, match=words):
        decode(message(plain(xyz, rgb), **changes))


@pytest.mark.parametrize(
    ("index", "change", "words"),
    [
        (0, {"datatype": 9}, "datatype 9"),
        (0, {"datatype": 6}, "'x' holds uint32"),
        (0, {"name": "y"}, "'y' is empty or used twice"),
        (1, {"name": "w"}, "no field y"),
        (3, {"datatype": 4}, "'rgb' holds uint16, expected 32 bits"),
        (3, {"name": ""}, "'' is empty or used twice"),
    ],
)
def test_invalid_fields_are_refused(xyz, rgb, index, change, words):
    cloud = message(plain(xyz, rgb))
    cloud.fields[index].__dict__.update(change)
    with pytest.raises(SpaceformerError, match=words):
        decode(cloud)


@pytest.mark.parametrize("stamp", [(-1, 0), (2**31 - 1, 2**32 - 1)])
def test_stamps_that_ros_cannot_send_are_refused(xyz, rgb, stamp):
    """They would pass until something is published, rclpy's Time being stricter than the message."""
    cloud = message(plain(xyz, rgb))
    cloud.header.stamp.sec, cloud.header.stamp.nanosec = stamp
    with pytest.raises(SpaceformerError, match="is not between 1970 and 2038"):
        decode(cloud)


def test_separate_colors_of_several_values_are_refused(xyz, rgb):
    columns = {k: v for k, v in plain(xyz, rgb).items() if k != "rgb"}
    cloud = message({**columns, **{n: ("u1", rgb[:, i]) for i, n in enumerate("rgb")}}, point_padding=1)
    cloud.fields[5].count = 2
    with pytest.raises(SpaceformerError, match="'b' holds uint8, expected one number per point"):
        decode(cloud)


@pytest.mark.slow
def test_very_many_fields_are_refused_immediately(xyz, rgb):
    cloud = message(plain(xyz, rgb))
    more = {"offset": 0, "datatype": 2, "count": 1}
    cloud.fields += [types.SimpleNamespace(name=f"f{i}", **more) for i in range(300_000)]
    start = time.perf_counter()
    with pytest.raises(SpaceformerError, match="300004 fields; at most 1000"):
        decode(cloud)
    assert time.perf_counter() - start < 1.0


def test_very_long_field_names_are_shortened_in_messages(xyz, rgb):
    cloud = message({**plain(xyz, rgb), "n" * 10**6: ("u1", np.zeros(12))})
    cloud.fields[0].name = "w\n" * 10**6
    with pytest.raises(SpaceformerError, match="no field x") as caught:
        decode(cloud)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("changes", [{"height": 0}, {"width": 0, "height": 12}, {"point_step": 0}, {"row_step": 0}])
def test_sizes_that_a_publisher_left_at_zero_follow_from_the_data(xyz, rgb, changes):
    cloud = message(plain(xyz, rgb))
    cloud.__dict__.update(changes)
    check(decode(cloud), xyz, rgb)


def test_fields_that_count_the_points_are_read(xyz, rgb):
    cloud = message(plain(xyz, rgb))
    for field in cloud.fields:
        field.count = len(xyz)
    check(decode(cloud), xyz, rgb)


def test_padding_fields_of_pcl_are_skipped(xyz, rgb):
    cloud = message(plain(xyz, rgb))
    padding = {"name": "_", "datatype": 2, "offset": 12, "count": 4}
    cloud.fields += [types.SimpleNamespace(**padding), types.SimpleNamespace(**{**padding, "datatype": 0})]
    check(decode(cloud), xyz, rgb)


def test_rows_without_the_padding_that_row_step_claims(xyz, rgb):
    check(decode(message(plain(xyz, rgb), height=3, row_step=80)), xyz, rgb)


def test_coordinates_in_one_field_and_in_capitals(xyz, rgb):
    columns = {"XYZ"[i]: ("f4", xyz[:, i]) for i in range(3)}
    check(decode(message({**columns, "rgb": ("u4", packed(rgb))})), xyz, rgb)
    cloud = message(plain(xyz, rgb))
    cloud.fields = [types.SimpleNamespace(name="xyz", offset=0, datatype=7, count=3), cloud.fields[3]]
    check(decode(cloud), xyz, rgb)


def test_coordinates_at_one_offset_are_refused(xyz, rgb):
    cloud = message(plain(xyz, rgb))
    for field in cloud.fields[:3]:
        field.offset = 0
    with pytest.raises(SpaceformerError, match="x, y, z have the same offset"):
        decode(cloud)


@pytest.mark.parametrize(("value", "kind"), [(200, "f4"), (1e6, "f4"), (1e30, "f4"), (-1e6, "f8")])
def test_far_outliers_are_left_out_with_a_remark(rng, value, kind):
    xyz, rgb = rng.normal(size=(200, 3)).astype(np.float32), rng.integers(0, 256, (200, 3), dtype=np.uint8)
    xyz[3, 1] = value
    decoded = decode(message(plain(xyz, rgb, kind)))
    check(decoded, np.delete(xyz, 3, axis=0), np.delete(rgb, 3, axis=0))
    assert decoded.cloud.remarks == (f"left out far outliers: 1 of 200 points, {abs(value):.3g} m away",)


@pytest.mark.parametrize(("share", "width", "distance"), [(0.001, 8, 2000), (0.03, 8, 2000), (0.001, 60, 300)])
def test_many_stray_points_are_left_out(rng, share, width, distance):
    xyz = rng.uniform(0, (width, 8, 8), (5000, 3)).astype(np.float32)
    strays = rng.permutation(5000)[: int(share * 5000)]
    xyz[strays] += (distance, 0, 0)
    decoded = decode(message(plain(xyz, rng.integers(0, 256, (5000, 3), dtype=np.uint8))))
    assert not decoded.kept[strays].any()
    assert decoded.num_dropped == len(strays)
    assert f"left out far outliers: {len(strays)} of 5000 points" in decoded.cloud.remarks[0]


def test_the_distance_of_an_outlier_is_that_from_the_map(rng):
    xyz = rng.normal(size=(200, 3)) + (500_000.0, 5_000_000.0, 100.0)  # UTM
    xyz[3] = 0  # a missing measurement
    decoded = decode(message(plain(xyz, rng.integers(0, 256, (200, 3), dtype=np.uint8), "f8")))
    assert decoded.cloud.remarks == ("left out far outliers: 1 of 200 points, 5e+06 m away",)


def test_a_map_of_kilometres_has_no_outliers(rng):
    xyz = rng.uniform(-4000, 4000, (5000, 3)).astype(np.float32)
    decoded = decode(message(plain(xyz, np.zeros((5000, 3), dtype=np.uint8))))
    assert len(decoded.cloud) == 5000
    assert decoded.cloud.remarks == ()


def test_missing_measurements_at_zero_are_left_out(rng):
    xyz, rgb = rng.normal(size=(100, 3)).astype(np.float32), np.zeros((100, 3), dtype=np.uint8)
    xyz[:40] = 0
    decoded = decode(message(plain(xyz, rgb)))
    assert len(decoded.cloud) == 60
    assert "left out 40 points at exactly (0, 0, 0)" in decoded.cloud.remarks[0]


def test_all_nan_is_a_separate_error(xyz, rgb):
    with pytest.raises(SpaceformerError, match="all 12 points"):
        decode(message(plain(np.full_like(xyz, np.nan), rgb)))


def test_one_point(xyz, rgb):
    check(decode(message(plain(xyz[:1], rgb[:1]))), xyz[:1], rgb[:1])


def test_encoding_is_what_decoding_reads(xyz, rgb):
    cloud = Cloud(xyz, rgb, "map", 3_000_000_005)
    encoded = encode({**cloud_columns(cloud), "label": np.arange(12, dtype=np.uint32)})
    assert encoded.fields == (("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("rgb", 12, 7), ("label", 16, 6))
    assert encoded.data.typecode == "B"
    fields = [types.SimpleNamespace(name=n, offset=o, datatype=d, count=1) for n, o, d in encoded.fields]
    changes = {"fields": fields, "point_step": encoded.point_step, "data": encoded.data}
    check(decode(message(plain(xyz, rgb), **changes)), xyz, rgb)


def test_any_name_can_be_encoded():
    encoded = encode({"a:b": np.arange(2, dtype=np.int32), "c": np.ones(2, dtype=np.float32)})
    assert encoded.data.tobytes() == np.array([(0, 1), (1, 1)], dtype="i4,f4").tobytes()


def test_packed_colors_are_always_finite():
    every = np.array([[r, g, b] for r in (0, 127, 128, 255) for g in (0, 255) for b in (0, 1, 255)], dtype=np.uint8)
    assert np.isfinite(pack_color(every)).all()


def test_sensor_msgs_py_agrees_where_it_is_installed(xyz, rgb):
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2", reason="sensor_msgs_py comes with apt's ROS only")
    from sensor_msgs.msg import PointCloud2, PointField

    encoded = encode(cloud_columns(Cloud(xyz, rgb, "map", 3_000_000_005)))
    cloud = PointCloud2(height=1, width=12, point_step=encoded.point_step, row_step=12 * encoded.point_step)
    cloud.fields = [PointField(name=n, offset=o, datatype=d, count=1) for n, o, d in encoded.fields]
    cloud.header.frame_id, cloud.header.stamp.sec, cloud.header.stamp.nanosec = "map", 3, 5
    cloud.data = encoded.data
    check(decode(cloud), xyz, rgb)
    assert np.array_equal(point_cloud2.read_points(cloud)["x"], xyz[:, 0])
