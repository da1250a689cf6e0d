# SPDX-License-Identifier: Apache-2.0
"""The objects of a new result continue known ones: identities and means over all views, and what was not found."""

from dataclasses import replace

import numpy as np

from .absence import FILLED_VIEW, MIN_FILLED_SHARE, filled_share, missed_view_weights
from .columns import MAX_COUNT
from .matching import UNMATCHED, associate
from .objects import MAX_WEIGHT
from .tracks import Tracks

MIN_SAME_PLACE = 0.3  # of the cells of an object that were those of a deleted one; otherwise it is another object
MAX_CARRIED = 10_000  # kept objects that were not found; if there are more, the least recently found are removed


def continued(scene, fresh, instances, cloud_occupancy, config, partial):
    """(objects, Instances): fresh objects with the identities that they continue, then known ones not found.

    scene: the last complete Scene in this frame
    """
    before, known = scene.instances, (*scene.objects, *scene.deleted)
    tracks = to_tracks(fresh, instances.features), to_tracks(known, before.features)
    found = associate(*tracks, cloud_occupancy, config.track_iou, config.track_distance)
    features, objects = instances.features.copy(), []
    partner = [_unless_moved(item, old, known, found.transform) for item, old in zip(fresh, found.partner)]
    for item, old in zip(fresh, partner):
        if old != UNMATCHED:
            old_feature = before.features[known[old].row]
            item, features[item.row] = _inherit_identity(item, features[item.row], known[old], old_feature)
        objects.append(item)
    missing = [known[k] for k in np.setdiff1d(np.arange(len(known)), partner)]
    missing = [_carry_over(item, found.transform) for item in missing]
    if not partial:
        missing = _with_missed_views(missing, fresh, instances, cloud_occupancy, float(config.fade_views))
        missing = [_with_outside_maps(item, cloud_occupancy) for item in missing]
    kept = [item for item in missing if _is_kept(item, config)]
    kept = sorted(kept, key=lambda item: (-item.last_seen_ns, item.id))[:MAX_CARRIED]
    return _append_objects(objects, replace(instances, features=features), kept, before, cloud_occupancy)


def _is_kept(item, config):
    """Whether an object that was not found stays known; a deletion also where the map has no points any more."""
    is_near = item.deleted or item.outside_maps < config.outside_maps
    return item.pinned or (is_near and item.missed_views + item.seen_through < config.fade_views)


def _unless_moved(item, old, known, transform):
    """The partner `old` of a fresh object, or UNMATCHED if that was deleted and the fresh one is at another place."""
    if old == UNMATCHED or not known[old].deleted:
        return old
    cells = known[old].occupancy.moved(transform).cells
    return (
        old
        if len(np.intersect1d(item.occupancy.cells, cells)) >= MIN_SAME_PLACE * len(item.occupancy.cells)
        else UNMATCHED
    )


def to_tracks(objects, features):
    """Tracks of objects. features: [K, C], by row."""
    return Tracks(
        occupancies=tuple(item.occupancy for item in objects),
        labels=tuple(item.label for item in objects),
        features=features[[item.row for item in objects]],
        centers=np.array([item.centroid for item in objects], dtype=np.float64).reshape(-1, 3),
        sizes=np.array([item.box.size for item in objects], dtype=np.float64).reshape(-1, 3),
    )


def _inherit_identity(item, feature, old, old_feature):
    """(object, feature): a fresh object with the identity of a known one and the weighted mean of both features [C]."""
    mean, total = old_feature, max(old.weight + item.weight, 1e-12)
    if not old.operator_label:
        mean = old_feature + np.float32(item.weight / total) * (feature - old_feature)
    inherited = replace(
        item,
        id=old.id,
        first_seen_ns=min(old.first_seen_ns, item.first_seen_ns),  # stamps go back when a bag is played again
        num_observations=min(old.num_observations + 1, MAX_COUNT),
        weight=min(total, MAX_WEIGHT),
        pinned=old.pinned,
        deleted=old.deleted,
        shaped=old.shaped,
        operator_label=old.operator_label,
        votes=old.votes,
        seen_through=old.seen_through,
        thumbnail=old.thumbnail,
    )
    return inherited, mean


def _carry_over(item, transform):
    """A known object that was not found, moved with the map by a RigidTransform."""
    return replace(
        item,
        found=False,
        occupancy=item.occupancy.moved(transform),
        box=item.box.moved(transform),
        centroid=transform.apply(item.centroid).astype(np.float32),
    )


def _with_missed_views(missing, fresh, instances, cloud_occupancy, most):
    """The missing objects with the evidence of this cloud against them. most: missed views that are counted; that of a
    replaced object is infinite, which no file holds, and pinned ones stay."""
    explained = _voxels_in_masks(instances, [item.row for item in fresh if not item.background])
    occupancies = [[item.occupancy for item in items] for items in (missing, fresh)]
    deleted = np.array([item.deleted for item in missing], dtype=bool)
    weights = missed_view_weights(*occupancies, cloud_occupancy, explained, deleted).tolist()
    weights = [_weight_of(item, weight, cloud_occupancy) for item, weight in zip(missing, weights)]
    return [replace(item, missed_views=min(item.missed_views + weight, most)) for item, weight in zip(missing, weights)]


def _weight_of(item, weight, cloud_occupancy):
    """The weight of the evidence against an object. That others explain the points of a proposed one says little: the
    network took it for a part of them from the beginning."""
    is_there = item.proposed and filled_share(item.occupancy, cloud_occupancy) >= MIN_FILLED_SHARE
    return min(weight, FILLED_VIEW) if is_there else weight


def _with_outside_maps(item, cloud_occupancy):
    """A missing object with the number of maps in a row that have had no point near it."""
    near = cloud_occupancy.is_near(item.occupancy.own)
    return replace(item, outside_maps=0 if near else item.outside_maps + 1)


def _voxels_in_masks(instances, rows):
    """[M] bool: voxels in the masks of these rows."""
    inside = np.zeros(len(instances.voxels), dtype=bool)
    for row in rows:
        inside[instances.masks[row]] = True
    return inside


def _append_objects(objects, instances, kept, before, cloud_occupancy):
    """(objects, Instances) with the objects `kept`, which were not found, in additional rows.

    Their masks are the voxels that are now in their cells and in no other mask, perhaps none; proposed ones share them.

    before: the Instances that contain their rows so far
    """
    inside = _voxels_in_masks(instances, range(len(instances)))
    masks = [cloud_occupancy.mask_of(item.occupancy) for item in kept]
    masks = [mask if item.proposed else mask[~inside[mask]] for item, mask in zip(kept, masks)]
    rows = replace(
        before[[item.row for item in kept]],
        boxes=tuple(item.box for item in kept),
        centroids=np.array([item.centroid for item in kept], dtype=np.float32).reshape(-1, 3),
    )
    first, instances = len(instances), instances.with_rows(rows, masks)
    appended = [
        replace(item, row=first + i, num_points=int(instances.num_points[first + i])) for i, item in enumerate(kept)
    ]
    return (*objects, *appended), instances
