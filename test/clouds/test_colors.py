# SPDX-License-Identifier: Apache-2.0
"""Encodings of colour in files and messages, and the choice between ambiguous ones."""

import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.colors import SH_C0, read_colors

TRIPLES = (
    *("r g b", "R G B", "red green blue", "Red Green Blue", "RED GREEN BLUE"),
    *("diffuse_red diffuse_green diffuse_blue", "scalar_Red scalar_Green scalar_Blue", "Rf Gf Bf"),
    *("color_r color_g color_b", "colorRed colorGreen colorBlue"),
    *("ambient_red ambient_green ambient_blue", "red_uchar green_uchar blue_uchar", "rgb_r rgb_g rgb_b"),
    "s_r_8 s_g_8 s_b_8",
)


@pytest.fixture
def rgb(rng):
    return np.vstack([rng.integers(0, 256, (97, 3), dtype=np.uint8), [[255, 0, 255], [0, 255, 0], [0, 0, 0]]]).astype(
        np.uint8
    )


def records(**columns):
    """A structured array of columns [N] or [N, K]."""
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    kinds = [(name, array.dtype, array.shape[1:]) for name, array in arrays.items()]
    points = np.empty(len(next(iter(arrays.values()))), dtype=kinds)
    for name, array in arrays.items():
        points[name] = array
    return points


def triple(channels, names="r g b"):
    return records(**dict(zip(names.split(), channels.T)))


@pytest.mark.parametrize("names", TRIPLES)
def test_names_of_channels(rgb, names):
    assert np.array_equal(read_colors(triple(rgb, names))[0], rgb)


def test_names_that_differ_in_case_only_are_not_guessed(rgb):
    points = records(**dict.fromkeys(("R", "r", "G", "B", "g", "b"), rgb[:, 0]))
    assert np.array_equal(read_colors(points)[0][:, 1], rgb[:, 0])  # r, g, b are exact names
    assert read_colors(records(RED=rgb[:, 0], Red=rgb[:, 0], green=rgb[:, 1], blue=rgb[:, 2]))[0] is None


def test_a_uniform_colour_gives_way_to_one_that_is_not(rgb):
    channels = dict(zip(("red", "green", "blue"), rgb.T))
    found, remarks = read_colors(records(rgb=np.zeros(len(rgb), np.uint32), **channels))
    assert np.array_equal(found, rgb)
    assert remarks == ("colours from red, green, blue: rgb is uniform",)
    uniform = read_colors(records(rgb=np.full(9, 0x010203, np.uint32), red=np.zeros(9, np.uint8)))
    assert uniform[0].tolist() == [[1, 2, 3]] * 9


def test_integers_called_color_are_packed_unless_they_are_those_of_a_palette(rgb):
    red, green, blue = rgb.astype(np.uint32).T
    assert np.array_equal(read_colors(records(color=red << 16 | green << 8 | blue))[0], rgb)
    assert read_colors(records(color=np.arange(200, dtype=np.uint32)))[0] is None
    assert read_colors(records(color=np.linspace(0, 1, 200, dtype=np.float32)))[0] is None


def test_packed_colours_that_end_with_alpha(rgb):
    red, green, blue = rgb.astype(np.uint32).T
    found, remarks = read_colors(records(rgba=red << 24 | green << 16 | blue << 8 | 0xFF))
    assert np.array_equal(found, rgb)
    assert remarks == ("rgba: packed colours were read as red, green, blue, alpha",)


def test_16_bit_colours_that_are_declared_as_signed(rgb):
    assert np.array_equal(read_colors(triple((rgb.astype(np.uint16) * 257).view(np.int16)))[0], rgb)


@pytest.mark.parametrize("name", ["rgb", "rgba", "RGB"])
@pytest.mark.parametrize(
    "form",
    ["u4", "i4", ">u4", "bits", "alpha", ">f4", "number f4", "number f8", "number alpha", "with nan", "bits f8", "u8"],
)
def test_packed_colors(rgb, name, form):
    red, green, blue = rgb.astype(np.uint32).T
    packed = red << 16 | green << 8 | blue
    columns = {
        "bits": packed.view("f4"),
        "alpha": (packed | 0xFF000000).view("f4"),
        ">f4": packed.view("f4").astype(">f4"),
        "number f4": packed.astype("f4"),
        "number f8": packed.astype("f8"),
        "number alpha": (packed | 0xFF000000).astype("f8"),
        "with nan": np.where(packed > 0, packed, np.nan),
        "bits f8": packed.view("f4").astype("f8"),
    }
    column = columns[form] if form in columns else packed.astype(form)
    assert np.array_equal(read_colors(records(**{name: column}))[0], rgb)


@pytest.mark.parametrize("name", ["rgb", "rgba", "color", "colors"])
@pytest.mark.parametrize("kind", ["u1", "u2", "f4", "f8"])
@pytest.mark.parametrize("channels", [3, 4])
def test_arrays_of_channels(rgb, name, kind, channels):
    values = np.column_stack([rgb, rgb[:, 0]])[:, :channels]
    values = values * {"u2": np.uint16(257), "f4": np.float32(1 / 255), "f8": 1 / 255}.get(kind, 1)
    assert np.array_equal(read_colors(records(**{name: values.astype(kind)}))[0], rgb)


@pytest.mark.parametrize(
    ("kind", "factor", "remark"),
    [
        ("u1", 1, ""),
        ("i1", 1, ""),
        ("i4", 1, ""),
        ("u2", 1, "16-bit colours up to 255 were read as 8 bit"),
        ("u2", 4, "colours up to 1020 were read as 10 bit"),
        ("u2", 16, "colours up to 4080 were read as 12 bit"),
        ("u2", 256, "colours up to 65280 were read as 16 bit"),
        ("u2", 257, "colours up to 65535 were read as 16 bit"),
        ("i8", 257, "colours up to 65535 were read as 16 bit"),
        ("f4", 1 / 255, ""),
        ("f8", 1 / 255, ""),
        ("f4", 1, ""),
        ("f8", 257, "colours up to 65535 were read as 16 bit"),
    ],
)
def test_ranges_of_channels(rgb, kind, factor, remark):
    values = (rgb * np.float64(factor)).astype(kind) if kind != "i1" else rgb.view("i1")
    found, remarks = read_colors(triple(values))
    assert np.array_equal(found, rgb)
    assert [remark] if remark else [text.split(": ")[1] for text in remarks] == []


def test_percentages_are_not_read_as_dark_colors_in_silence(rgb):
    found, remarks = read_colors(triple((rgb / 2.55).astype(np.float32)))
    assert found.max() == 100
    assert remarks == ("r, g, b: colours up to 100 were read as 0 to 255; if they are percentages, scale them by 2.55",)
    assert read_colors(triple((rgb // 3).astype(np.float32)))[1] == ()  # a dark map


def test_a_channel_that_stays_below_one_is_read_as_the_others():
    values = np.array([[200.0, 100.0, 0.9], [10.0, 20.0, 0.2]])
    assert read_colors(triple(values))[0].tolist() == [[200, 100, 1], [10, 20, 0]]


def test_colors_of_a_little_over_one_are_clipped_with_a_remark():
    found, remarks = read_colors(triple(np.array([[1.2, 0.5, 0.0]])))
    assert found.tolist() == [[255, 128, 0]]
    assert "colours up to 1.2 were read as 0 to 1" in remarks[0]


@pytest.mark.parametrize(
    ("kind", "factor", "stray"),
    [("f4", 1 / 255, 3), ("f8", 1 / 255, 1e9), ("f4", 1, 1e6), ("u2", 1, 65535), ("i4", 1, -9)],
)
def test_a_stray_value_does_not_darken_the_cloud(rgb, kind, factor, stray):
    channels = np.tile((rgb * np.float64(factor)).astype(kind), (10, 1))
    channels[0, 1] = stray
    found, remarks = read_colors(triple(channels))
    assert np.array_equal(found[1:], np.tile(rgb, (10, 1))[1:])
    assert stray < 0 or "larger ones as" in remarks[0]


def test_colors_of_training_data_around_zero(rgb):
    found, remarks = read_colors(triple(rgb / 127.5 - 1))
    assert np.array_equal(found, rgb)
    assert "were read as -1 to 1" in remarks[0]


def test_bytes_with_a_sign(rgb):
    """As C prints a `char`."""
    for kind in (np.int32, np.float64):
        found, remarks = read_colors(triple(rgb.view(np.int8).astype(kind)))
        assert np.array_equal(found, rgb)
        assert "were read as bytes with a sign" in remarks[0]


def test_gaussian_splats(rgb):
    harmonics = ((rgb / 255 - 0.5) / SH_C0).astype(np.float32)
    found, remarks = read_colors(triple(harmonics, "f_dc_0 f_dc_1 f_dc_2"))
    assert np.array_equal(found, rgb)
    assert "Gaussian splats" in remarks[0]


def test_no_color_is_none():
    assert read_colors(records(intensity=np.ones(3, dtype=np.float32))) == (None, ())


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (triple(np.full((2, 3), 70_000.0)), "colours up to 70000; expected 0 to 1"),
        (records(rgb=np.zeros(2, dtype="u2")), "'rgb' holds uint16, expected 32 bits"),
        (records(r=["a"], g=["b"], b=["c"]), "'r' holds <U1"),
        (records(rgb=np.zeros((2, 2), dtype="u1")), "expected 32 bits per point, or 3 or 4 channels"),
    ],
)
def test_other_forms_are_refused(points, words):
    with pytest.raises(SpaceformerError, match=words):
        read_colors(points)


def test_channels_that_the_writer_lost():
    colors = np.full((50, 3), np.nan, dtype=np.float32)
    rgb, remarks = read_colors(triple(colors))
    assert rgb is None
    assert "50 of 50 colours are NaN" in remarks[0]
    colors[0], colors[1, 0] = (1.0, 0.5, 0.2), 0.3
    rgb, remarks = read_colors(triple(colors))
    assert rgb[:3].tolist() == [[255, 128, 51], [76, 0, 0], [0, 0, 0]]
    assert "48 of 50 colours are NaN" in remarks[0]


def test_packed_colors_that_the_writer_lost(rng):
    """PCL writes colours with alpha 255 as the text "nan", and with few digits as 4.2108e+06."""
    lost = np.full(50, np.nan, dtype=np.float32)
    rgb, remarks = read_colors(np.array(lost, dtype=[("rgb", "f4")]))
    assert rgb is None
    assert "50 of 50 colours are NaN" in remarks[0]
    lost[:49] = np.arange(49) * 1000 + 16_000_000
    rgb, remarks = read_colors(np.array(lost, dtype=[("rgb", "f4")]))
    assert rgb[49].tolist() == [0, 0, 0]
    assert ["too few digits" in remarks[0], "1 of 50" in remarks[1]] == [True, True]
    exact = rng.integers(0, 1 << 24, 50).astype(np.float32)
    assert read_colors(np.array(exact, dtype=[("rgb", "f4")]))[1] == ()
