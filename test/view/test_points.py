# SPDX-License-Identifier: Apache-2.0
"""Which points are sent to a browser, and in which colours."""

import numpy as np
from helpers.fakes import RED

from spaceformer_ros.show.colors import UNLABELED, stable_color
from spaceformer_ros.sources.files import FileSource
from spaceformer_ros.view.coloring import point_colors
from spaceformer_ros.view.thinning import even_rows


def test_thinning_keeps_the_limit_and_what_was_scanned_once(rng):
    once = np.column_stack([rng.random((2000, 2)) * 4, np.zeros(2000)])
    often = np.column_stack([rng.random((60_000, 2)) * 0.5 + 10, np.zeros(60_000)])
    xyz = np.concatenate([once, often]).astype(np.float32)
    rows = even_rows(xyz, 5000)
    assert 2500 < len(rows) <= 5000
    assert (np.diff(rows) > 0).all()
    assert (rows < 2000).mean() > 0.3  # every k-th point would leave 3 %
    assert np.array_equal(even_rows(xyz, len(xyz)), np.arange(len(xyz)))


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
