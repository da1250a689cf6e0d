# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spaceformer_ros.grids.keys import (
    AXIS_LIMIT,
    RowsByKey,
    cell_keys,
    dilated,
    distinct,
    isin_dilated,
    isin_sorted,
    neighbour_offsets,
    pack,
    unpack,
)

CELL = 0.05  # metres


@pytest.mark.parametrize("dimensions", [2, 3])
def test_keys_are_unpacked_exactly_and_ascend_with_the_cells(rng, dimensions):
    cells = rng.integers(-AXIS_LIMIT, AXIS_LIMIT, (2000, dimensions))
    cells[0], cells[1] = -AXIS_LIMIT, AXIS_LIMIT - 1
    keys = pack(cells)
    assert keys.min() >= 0
    assert np.array_equal(unpack(keys, dimensions), cells)
    assert np.array_equal(np.argsort(keys), np.lexsort(cells.T[::-1]))


@pytest.mark.parametrize("count", [0, 30, 400])
def test_keys_among_others_and_among_their_neighbours(rng, count):
    keys = cell_keys(rng.uniform(-1, 1, (2000, 3)), CELL)
    wanted = np.unique(cell_keys(rng.uniform(-1, 1, (count, 3)), CELL))
    assert np.array_equal(isin_sorted(keys, wanted), np.isin(keys, wanted))
    assert np.array_equal(isin_dilated(keys, wanted), np.isin(keys, wanted[:, None] + neighbour_offsets(1)))


@pytest.mark.parametrize("count", [0, 1, 300])
def test_cells_are_listed_once_and_with_all_cells_around_them(rng, count):
    keys = cell_keys(rng.uniform(-1, 1, (count, 3)), CELL)
    keys = np.concatenate([keys, keys[::2]])
    assert np.array_equal(distinct(keys), np.unique(keys))
    for reach in (1, 2):
        around = keys[:, None] + neighbour_offsets(reach)
        assert np.array_equal(dilated(keys, reach), np.unique(around))


def test_all_rows_of_a_key_are_found():
    index = RowsByKey(np.array([5, 3, 5, 9]))
    assert index.rows(np.array([5, 4, 3])).tolist() == [0, 2, 1]
