"""Groups of rows as sparse matrices, and the connected components of graphs."""

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree


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
    return components(len(unique), cKDTree(unique).query_pairs(1.0, p=np.inf, output_type="ndarray"))[row]


def unique_rows(cells):
    """The different ones of N >= 1 rows of integers [N, D], sorted, and the number of each row among them, [N]."""
    low, sides = cells.min(axis=0), np.ptp(cells, axis=0) + 1
    if np.prod(sides, dtype=np.float64) > 2**62:  # too far apart for one number each, which is sorted faster
        unique, row = np.unique(cells, axis=0, return_inverse=True)
        return unique, row.ravel()
    number, row = np.unique(np.ravel_multi_index((cells - low).T, sides), return_inverse=True)
    return np.column_stack(np.unravel_index(number, sides)) + low, row
