# SPDX-License-Identifier: Apache-2.0
"""Layouts as SpatialLM's text: what is written is read back, damaged lines are named, files are scored."""

import dataclasses
import math

import numpy as np
import pytest
from helpers.layouts import TWO_ROOMS

from spaceformer_ros import SpaceformerError
from spaceformer_ros.evaluation.layout_files import are_layouts, evaluate_layouts
from spaceformer_ros.evaluation.spatiallm import read_layout_text
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.graph.build import graph_of
from spaceformer_ros.graph.formats import to_spatiallm

BED = OrientedBox(np.array([1.0, 2.0, 0.3]), np.array([2.0, 1.6, 0.6]), 0.4)


def text_of(layout, *boxes):
    return to_spatiallm(graph_of(layout, [("double bed", box) for box in boxes]))


def test_what_is_written_is_read_back():
    content = read_layout_text(text_of(TWO_ROOMS, BED))
    assert not content.skipped
    for wall, expected in zip(content.layout.walls, TWO_ROOMS.walls):
        assert (*wall.start, *wall.end) == pytest.approx((*expected.start, *expected.end))
        assert (wall.z, wall.height, wall.thickness) == (0.0, 2.5, expected.thickness)
    (door,), (window,) = content.layout.doors, content.layout.windows
    assert (door.wall, door.center, door.width) == (1, (1.5, 2.0, 1.0), 0.9)
    assert (window.wall, window.sill) == (2, 1.0)
    ((label, box),) = content.boxes
    assert label == "double_bed"
    assert np.allclose([*box.center, *box.size, box.yaw], [*BED.center, *BED.size, BED.yaw])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("door_0=Door(wall_7,1,1,1,1,2)", "wall_7 is not a wall"),
        ("wall_1=Wall(1,2,3)", "is not as wall_0"),
        ("wall_1=Wall(0,0,0,1,0,0,nan,0)", "not finite"),
        ("bbox_0=Bbox(bed,0,0,0,0,1,x,1)", "could not convert"),
        ("bbox_0=Bbox(bed,0,0,0,0,1,-1,1)", "negative"),
        ("hello", "is not as wall_0"),
    ],
)
def test_damaged_lines_are_skipped_and_named(line, words):
    content = read_layout_text(f"wall_0=Wall(0,0,0,4,0,0,2.5,0.1)\n{line}\n")
    assert len(content.layout.walls) == 1
    (remark,) = content.skipped
    assert remark.startswith("line 2 is skipped: ")
    assert words in remark


def test_folders_are_scored_scene_by_scene(tmp_path):
    turned = TWO_ROOMS.moved(RigidTransform.about_z(0.7, (3.0, -2.0, 0.0)))
    for folder in ("found", "truth"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "b.txt").write_text(text_of(turned, BED))
    (tmp_path / "truth" / "a.txt").write_text(text_of(TWO_ROOMS))
    (tmp_path / "found" / "a.txt").write_text(text_of(dataclasses.replace(TWO_ROOMS, doors=())))
    assert are_layouts(tmp_path / "found")
    report, remarks = evaluate_layouts(tmp_path / "found", tmp_path / "truth")
    assert not remarks
    assert {name: row["F1@0.50"] for name, row in report.classes.items()} == {
        **{"wall": 1.0, "door": 0.5, "window": 1.0, "double_bed": 1.0}
    }
    assert math.isclose(report.summary["F1@0.50"], 2.5 / 3)
    (tmp_path / "found" / "a.txt").unlink()
    with pytest.raises(SpaceformerError, match="'a'"):
        evaluate_layouts(tmp_path / "found", tmp_path / "truth")


def test_a_list_of_masks_is_no_layout(tmp_path):
    (tmp_path / "scene.txt").write_text("masks/1.txt 5 0.9\n")
    assert are_layouts(tmp_path / "scene.txt") is False
    assert are_layouts(tmp_path) is False
    assert are_layouts(tmp_path / "none.txt") is False


def test_a_layout_without_anything_is_scored(tmp_path):
    found, truth = tmp_path / "found.txt", tmp_path / "truth.txt"
    found.write_text("\n")
    truth.write_text(text_of(TWO_ROOMS))
    assert (are_layouts(found), are_layouts(truth)) == (None, True)
    for files in ((found, truth), (truth, found)):
        report, _ = evaluate_layouts(*files)
        assert report.summary["F1@0.25"] == 0.0
    (tmp_path / "folder").mkdir()
    for name, text in (("a", ""), ("b", text_of(TWO_ROOMS))):
        (tmp_path / "folder" / f"{name}.txt").write_text(text)
    assert are_layouts(tmp_path / "folder")
