"""Groups of rows as sparse matrices, and the connected components of graphs."""

import itertools

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

LARGEST = 2**62  # of the numbers that rows of integers are told apart by


def ranges(starts, lengths):
    """[sum of lengths] int64: starts[0], starts[0] + 1, ..., then those from starts[1], and so on."""
    return np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())


class Members:
    """Finds the members of groups. Sorts by counting, in a fifth of the time of a stable sort."""

    def __init__(self, group, count):
        """group: [N] int, below `count`."""
        entries = np.ones(len(group), dtype=np.int8), (group, np.arange(len(group), dtype=np.int32))
        matrix = csr_matrix(entries, shape=(count, len(group)))
        self._start, self._members = matrix.indptr, matrix.indices

    def of(self, groups):
        """Members of some groups, in the order of groups, ascending in each."""
        start = self._start[groups]
        return self._members[ranges(start, self._start[groups + 1] - start)]


def incidence(groups, size):
    """[K, size] sparse float32 matrix, 1 where a group holds a row. groups: K arrays of unique rows."""
    starts = np.cumsum([0, *(len(rows) for rows in groups)])
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *groups])
    return csr_matrix((np.ones(len(columns), dtype=np.float32), columns, starts), shape=(len(groups), size))


def components(count, pairs):
    """[count] int component of each node of a graph with the edges `pairs` [P, 2]."""
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def touching_components(cells):
    """[N] int component of each of N >= 1 rows of integer coordinates [N, D]: cells that touch, at corners too, are
    connected, and so are equal ones."""
    unique, row = unique_rows(cells)
    return components(len(unique), touching_pairs(unique))[row]


def touching_pairs(cells):
    """[P, 2] rows of cells that touch, at corners too. cells: [N, D], sorted unique rows of integers.

    A third of the time of a k-d tree, which is left to cells that lie too far apart for one number each.
    """
    low, sides = cells.min(axis=0), np.ptp(cells, axis=0) + 2  # one free: the next row is no neighbour
    if np.prod(sides, dtype=np.float64) > LARGEST:
        return cKDTree(cells).query_pairs(1.0, p=np.inf, output_type="ndarray")
    number = np.ravel_multi_index((cells - low).T, sides)
    strides = np.append(np.cumprod(sides[:0:-1])[::-1], 1)
    row = np.flatnonzero(np.diff(number) == 1)
    pairs = [np.column_stack([row, row + 1])]
    for step in itertools.product((-1, 0, 1), repeat=len(sides) - 1):
        if step > (0,) * len(step):  # the other half comes from the other side
            lowest = number + np.dot(step, strides[:-1]) - 1  # three in a row along the last axis
            candidate = np.searchsorted(number, lowest)
            for offset in range(3):
                hit = number[np.minimum(candidate, len(number) - 1)] == lowest + offset
                row = np.flatnonzero(hit)
                pairs.append(np.column_stack([row, candidate[row]]))
                candidate = candidate + hit
    return np.concatenate(pairs)


def unique_rows(cells):
    """The different ones of N >= 1 rows of integers [N, D], sorted, and the number of each row among them, [N]."""
    low, sides = cells.min(axis=0), np.ptp(cells, axis=0) + 1
    if np.prod(sides, dtype=np.float64) > LARGEST:  # too far apart for one number each, which is sorted faster
        unique, row = np.unique(cells, axis=0, return_inverse=True)
        return unique, row.ravel()
    number, row = np.unique(np.ravel_multi_index((cells - low).T, sides), return_inverse=True)
    return np.column_stack(np.unravel_index(number, sides)) + low, row
