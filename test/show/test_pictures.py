# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.fakes import GREEN

from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.geometry.boxes import OrientedBox
from spaceformer_ros.scene.approach import Approach
from spaceformer_ros.scene.find import ObjectQuery
from spaceformer_ros.show import pictures
from spaceformer_ros.show.pictures import below_ceiling, draw_answer, draw_scene, place_labels, visible_rows


def room(turn=0.2):
    """[N, 3] points of a room of 4 x 3 x 2.6 m, and [N] part: 0 floor, 1 ceiling, 2 to 5 walls."""
    rng = np.random.default_rng(0)
    size, parts = np.array([4.0, 3.0, 2.6]), []
    for part, (axis, end) in enumerate([(2, 0), (2, 1), (0, 0), (0, 1), (1, 0), (1, 1)]):
        xyz = rng.random((3000, 3))
        xyz[:, axis] = end
        parts.append(np.column_stack([xyz * size, np.full(len(xyz), part)]))
    points = np.concatenate(parts)
    c, s = np.cos(turn), np.sin(turn)
    points[:, :2] = points[:, :2] @ np.array([[c, s], [-s, c]])
    return points[:, :3], points[:, 3]


def test_ceiling_and_near_walls_are_cut_away_and_far_walls_stay():
    xyz, part = room()
    for view in ("top", "oblique"):
        rows = visible_rows(xyz, view)
        kept = np.array([(part[rows] == k).sum() for k in range(6)]) / 3000
        assert kept[0] > 0.99
        assert kept[1] == 0
        depth = np.array([pictures.project(xyz[part == k], view)[1].mean() for k in range(6)])
        near, far = np.argsort(-depth[2:])[:2] + 2, np.argsort(depth[2:])[:2] + 2
        assert (kept[far] > 0.5).all()
        assert view == "top" or (kept[near] < 0.2).all()


def test_strays_do_not_make_the_map_small():
    xyz, _ = room()
    strays = np.array([[40.0, 0, 1], [0, -90, 1], [1, 1, 60]])
    assert set(visible_rows(np.concatenate([xyz, strays]), "top")) == set(visible_rows(xyz, "top"))


def test_flat_and_tiny_maps_are_drawn_whole(tmp_path):
    for count in (1, 5):
        cloud = Cloud(np.ones((count, 3), np.float32), np.full((count, 3), 99, np.uint8))
        assert len(visible_rows(cloud.xyz, "oblique")) == count
        draw_scene(tmp_path / "tiny.png", cloud, view="oblique")


def test_any_label_and_any_name_of_a_file_can_be_drawn(tmp_path):
    """Dollar signs are no formulas, and a name need not be text."""
    cloud = Cloud(np.random.default_rng(0).random((500, 3), np.float32), np.full((500, 3), 99, np.uint8))
    items = [pictures.LabeledBox(1, r"$\nosuch{$", 0.9, OrientedBox.fit(cloud.xyz))]
    draw_scene(tmp_path / "a.png", cloud, items, title="$\\x$ \udcff")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_labels_do_not_overlap_and_the_first_ones_stay_where_they_are():
    boxes = np.array([[0, 0, 60, 12], [10, 3, 70, 15], [200, 0, 260, 12], [5, 0, 65, 12]])
    moves = place_labels(boxes)
    assert (moves[0] == 0).all()
    assert (moves[2] == 0).all()
    placed = [box + [*move, *move] for box, move in zip(boxes, moves)]
    for k, a in enumerate(placed):
        for b in placed[:k]:
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
    crowd = place_labels(np.tile(boxes[:1], (60, 1)))
    assert 5 < sum(move is not None for move in crowd) < 60


def test_weak_objects_are_not_drawn(tmp_path, monkeypatch):
    xyz, _ = room()
    cloud = Cloud(xyz.astype(np.float32), np.full(xyz.shape, 99, np.uint8))
    drawn = []
    monkeypatch.setattr(pictures, "_draw_box", lambda axes, item, view: drawn.append(item.id))
    box = OrientedBox(np.array([2.0, 1.5, 0.5]), np.ones(3), 0.0)
    items = [SimpleNamespace(id=k, label="chair", score=0.02 * k, box=box) for k in range(50)]
    draw_scene(tmp_path / "scene.png", cloud, items, "oblique")
    assert drawn == list(range(49, 19, -1))


@pytest.mark.slow
def test_the_picture_of_an_answer_shows_its_matches_and_the_approach(pipeline, tmp_path):
    from matplotlib.image import imread

    answer = pipeline.find(ObjectQuery("couch"), pipeline.scene)
    (match,) = answer.matches
    approach = Approach(match.object.box.center - (0.0, 1.5, 0.4), 1.57)
    for name, pose in (("without", None), ("with", approach)):
        draw_answer(tmp_path / f"{name}.png", pipeline.scene, answer, pose)
    without, with_approach = (imread(tmp_path / f"{name}.png")[..., :3] for name in ("without", "with"))
    arrow = np.abs(with_approach - np.array([0.25, 0.88, 0.63])).max(axis=-1) < 0.15
    assert arrow.sum() > 100
    assert np.ptp(without.reshape(-1, 3), axis=0).min() > 0.3  # heat colours, not the map's
    assert (pipeline.scene.cloud.rgb == GREEN).all(axis=1).any()  # which are unchanged


def test_the_ceiling_is_told_from_what_is_below(rng):
    floor, ceiling = rng.random((2, 1000, 3)) * (4.0, 4.0, 0.02)
    room = np.concatenate([floor, ceiling + (0.0, 0.0, 2.5)])
    assert np.array_equal(below_ceiling(room), np.arange(2000) < 1000)
    assert below_ceiling(np.zeros((5, 3))).all()
