# SPDX-License-Identifier: Apache-2.0
"""Evidence that objects were removed, from the points at the locations of objects that were not found in a cloud."""

import numpy as np

from ..grids.keys import distinct, isin_sorted, occupied_cells
from .occupancy import FINE_CELL, ISOLATED, SURROUNDINGS, fine_keys_near
from .tracks import shared_cells

MIN_FILLED_SHARE = 0.5  # of an object's own cells; with fewer filled cells its location counts as empty
MIN_CELLS = 2  # own cells, and cells of the surroundings, that a decision needs
MIN_SURROUNDINGS_SHARE = 0.6  # of an object's former surroundings; if fewer are seen, its location was not seen
MIN_REPLACED_SHARE = 0.6  # of an object's cells; it is replaced if objects of similar extent fill more of them
MIN_INSIDE_SHARE = 0.35  # of the cells of such a replacing object that must be cells of the replaced one
MIN_EXPLAINED_SHARE = 0.7  # of the voxels at its location; if more belong to other objects, it has merged into them
# Weights of one inference that did not find an object, in missed views: its location was seen and is empty or belongs
# to something else; it is filled by something unknown; it was not seen.
CLEAR_VIEW, FILLED_VIEW, NO_VIEW = 1.0, 0.25, 0.0


def missed_view_weights(missing, fresh, cloud_occupancy, explained, deleted=False):
    """[U] weight of the evidence of a cloud against each object that was not found in it, in missed views.

    Infinite: replaced, other objects that are mostly inside it or of similar extent fill its cells.
    CLEAR_VIEW: its surroundings are seen and its cells are empty (surroundings may have disappeared with it), or its
    cells are filled by objects of any extent.
    FILLED_VIEW: its cells are filled by something that is not an object.
    NO_VIEW: otherwise.

    missing: U Occupancies, moved with the map
    fresh: Occupancies of the objects that were found
    cloud_occupancy: CloudOccupancy of the cloud
    explained: [M] bool, voxels in the masks of foreground objects
    deleted: [U] bool, or one: deleted by an operator; a place that is still filled has not changed, NO_VIEW
    """
    weights = np.full(len(missing), NO_VIEW)
    deleted = np.broadcast_to(deleted, weights.shape)
    replaced = _replaced(missing, fresh)
    weights[replaced] = np.inf
    filled = np.array([filled_share(occupancy, cloud_occupancy) for occupancy in missing])
    for k in np.flatnonzero(~replaced & ~deleted & (filled >= MIN_FILLED_SHARE)):
        mask = cloud_occupancy.mask_of(missing[k])
        weights[k] = CLEAR_VIEW if len(mask) and explained[mask].mean() > MIN_EXPLAINED_SHARE else FILLED_VIEW
    empty = np.flatnonzero(~replaced & (filled < MIN_FILLED_SHARE))
    weights[_seen_empty(missing, empty, cloud_occupancy)] = CLEAR_VIEW
    return weights


def _seen_empty(missing, candidates, cloud_occupancy):
    """Those of the candidates (indices into missing, with empty cells) whose surroundings are seen sufficiently.

    Cells of objects that were seen to be removed count as seen. Cells of other candidates are not counted, because
    adjacent objects may have been removed together.
    """
    own = {k: occupied_cells(missing[k].own, FINE_CELL) for k in candidates.tolist()}
    seen, gone = [], np.zeros(0, np.int64)
    while own:
        undecided, owners = np.unique(np.concatenate([*own.values()]), return_counts=True)
        shared = undecided[owners > 1]
        found = [
            k for k, cells in own.items() if _is_surrounded(missing[k], cloud_occupancy, gone, shared, undecided, cells)
        ]
        if not found:
            break
        seen += found
        gone = distinct(np.concatenate([gone, *(own.pop(k) for k in found)]))
    return np.array(seen, dtype=np.int64)


def _is_surrounded(occupancy, cloud_occupancy, gone, shared, undecided, own):
    """Whether enough of the surroundings of an object is seen.

    gone, shared, undecided, own: sorted keys of fine cells: of objects seen to be gone; of several candidates; of any
    candidate; of the object itself.
    """
    around = occupancy.xyz[occupancy.kind == SURROUNDINGS]
    if len(_isolated_points(occupancy)) < MIN_CELLS or len(around) < MIN_CELLS:
        return False
    near = fine_keys_near(around)
    there = cloud_occupancy.filled(around) | isin_sorted(near, gone).any(axis=1)
    doubtful = isin_sorted(near, shared) | (isin_sorted(near, undecided) & ~isin_sorted(near, own))
    counted = there | ~doubtful.any(axis=1)
    return counted.sum() >= MIN_CELLS and there[counted].mean() >= MIN_SURROUNDINGS_SHARE


def _replaced(missing, fresh):
    """[U] bool: fresh objects of similar extent, or parts of it, fill most of a missing object's cells."""
    result = np.zeros(len(missing), dtype=bool)
    if not missing or not fresh:
        return result
    shared, sizes, others = shared_cells(missing, fresh)
    similar = shared.data >= MIN_INSIDE_SHARE * others[shared.col]
    for k in np.unique(shared.row[similar]):
        parts = shared.col[similar & (shared.row == k)]
        filled = distinct(np.concatenate([fresh[i].cells for i in parts]))
        result[k] = np.isin(missing[k].cells, filled).sum() >= MIN_REPLACED_SHARE * sizes[k]
    return result


def _isolated_points(occupancy):
    """[n, 3] points of an object that are not in contact with a neighbour."""
    return occupancy.xyz[occupancy.kind == ISOLATED]


def filled_share(occupancy, cloud_occupancy):
    """Share of an object's own cells that are filled; of the isolated ones only, if these are enough."""
    isolated = _isolated_points(occupancy)
    return float(cloud_occupancy.filled(isolated if len(isolated) >= MIN_CELLS else occupancy.own).mean())
