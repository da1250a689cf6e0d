# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spaceformer_ros.grids.groups import Members, components, row_numbers, touching_components, unique_rows


def test_members_of_groups(rng):
    group = rng.integers(0, 50, 300)
    group[group == 7] = 8  # a group without any
    wanted = np.array([8, 3, 7, 49])
    expected = np.concatenate([np.flatnonzero(group == number) for number in wanted])
    np.testing.assert_array_equal(Members(group, 51).of(wanted), expected)


def test_components_of_a_graph():
    assert components(5, np.array([[0, 3], [3, 4]])).tolist() == [0, 1, 2, 0, 0]
    assert len(set(components(3, np.zeros((0, 2), int)).tolist())) == 3


@pytest.mark.parametrize("spread", [1, 10**7])
def test_cells_that_touch_are_one_component_at_any_distance_from_each_other(spread):
    cells = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 3], [spread * 5, 0, -spread], [spread * 5 + 1, -1, -spread]])
    component = touching_components(cells)
    assert component[0] == component[1]
    assert component[3] == component[4]
    assert len(set(component.tolist())) == 3


@pytest.mark.parametrize("spread", [3, 10**9])
def test_unique_rows_are_those_of_numpy(rng, spread):
    cells = rng.integers(-spread, spread, (500, 3)) // (spread // 3) * (spread // 3)
    unique, row = unique_rows(cells)
    assert np.array_equal(unique, np.unique(cells, axis=0))
    assert np.array_equal(unique[row], cells)
    assert (row_numbers(cells)[0] is None) == (spread > 10**6)
