# SPDX-License-Identifier: Apache-2.0
"""Which points are sent to a browser, and in which colours."""

import numpy as np
from helpers.fakes import RED

from spaceformer_ros.show.colors import UNLABELED, stable_color
from spaceformer_ros.sources.files import FileSource
from spaceformer_ros.view.coloring import point_colors
from spaceformer_ros.view.detail import FEW_POINTS, Detail, DetailCache


def test_a_map_is_thinned_evenly_and_by_distance(rng):
    once = np.column_stack([rng.random((100_000, 2)) * 40, np.zeros(100_000)])
    often = np.column_stack([rng.random((150_000, 2)) * 0.5 + 33, np.zeros(150_000)])
    xyz = np.concatenate([once, often]).astype(np.float32)
    kept = np.arange(10, len(xyz))
    detail = Detail(xyz, kept)

    def drawn(levels):
        rows = np.concatenate([detail.rows(tile, level) for tile, level in enumerate(levels)])
        assert len(np.unique(rows)) == len(rows)
        return rows

    eye = np.array([5.0, 5.0, 1.0])
    assert np.array_equal(np.sort(drawn(detail.levels(eye, len(xyz)))), kept)
    coarse = drawn(detail.levels(eye, FEW_POINTS))
    assert len(coarse) <= FEW_POINTS
    assert (coarse < 100_000).mean() > 0.8  # every k-th point would leave 40 %
    levels = detail.levels(eye, 100_000)
    assert FEW_POINTS < len(drawn(levels)) <= 100_000
    order = np.argsort(detail.distances(eye))
    assert (np.diff(levels[order]) >= 0).all()
    assert 0 <= levels.min() < levels.max()
    assert (np.diff(detail.spacing) > 0).all()


def test_levels_of_detail_are_made_once_for_all_visitors(pipeline):
    cloud, cache = pipeline.scene.cloud, DetailCache()
    assert cache.of(cloud, False) is cache.of(cloud, False)
    without, everything = cache.of(cloud, False), cache.of(cloud, True)
    counts = [sum(len(detail.rows(tile, 0)) for tile in range(len(detail))) for detail in (without, everything)]
    assert counts[0] < counts[1] == len(cloud)
    assert cache.of(cloud[:100], False) is not without


def test_colours_show_objects_labels_and_relevancy(pipeline):
    snapshot = FileSource(pipeline).snapshot()
    rows = np.arange(0, len(snapshot.cloud), 7)
    (item,) = (item for item in snapshot.objects if item.label == "chair")
    chair = snapshot.owner[rows] == item.id
    assert (point_colors(snapshot, rows, "colours")[chair] == RED).all()
    for mode, name in (("instances", f"instance {item.id}"), ("labels", "chair")):
        drawn = point_colors(snapshot, rows, mode)[chair][0] / np.max(point_colors(snapshot, rows, mode)[chair][0])
        assert np.allclose(drawn, np.array(stable_color(name)) / max(stable_color(name)), atol=0.02)
    wall = snapshot.owner[rows] == 0
    assert np.allclose(np.ptp(point_colors(snapshot, rows, "labels")[wall], axis=1), np.ptp(UNLABELED))
    relevancy = np.where(snapshot.owner == item.id, 0.4, 0.0).astype(np.float32)
    drawn = point_colors(snapshot, rows, "relevancy", relevancy).astype(int)
    assert (np.ptp(drawn, axis=1)[chair] > 150).all()  # the end of the colour map, however low the best relevancy
    assert (np.ptp(drawn, axis=1)[~chair] == 0).all()
