# SPDX-License-Identifier: Apache-2.0
"""What images say of the objects of a scene: each is a function from one Scene to another."""

from dataclasses import replace

import numpy as np

from ..cameras.evidence import NO_VOTES
from ..cameras.proposals import CELL
from ..cameras.thumbnails import MAX_THUMBNAILS
from ..geometry.boxes import OrientedBox
from ..grids.keys import cell_keys, isin_sorted
from .edit_steps import object_at, with_row
from .objects import label_objects
from .occupancy import CloudOccupancy

IMAGE_VIEW = 0.5  # of a missed view, for each depth image that sees through an object: one image alone says little
MAX_OVERLAP = 0.3  # IoU of the boxes of a proposed object and of another one
PROPOSED_OBJECTNESS = 0.3  # of objects that only detections have shown
MIN_VOXELS = 8  # of a proposed object
MAX_PROPOSED = 100  # of one scene


def with_sightings(scene, sightings):
    """The Scene after Sightings of its objects in an image; those of unknown objects are left out."""
    votes = {item.id: item.votes for item in scene.objects}
    for one in sightings:
        if one.id in votes:
            votes[one.id] = votes[one.id].plus(one.word, one.weight)
    objects = tuple(
        replace(item, votes=votes[item.id], missed_views=0.0 if item.proposed else item.missed_views)
        if votes[item.id] is not item.votes
        else item
        for item in scene.objects
    )
    return replace(scene, objects=objects).relabelled(scene.space)


def with_presence(scene, presence, fade_views):
    """The Scene after a depth image. Objects that the last inference found stay, others go after `fade_views` missed
    views. presence: Presence."""
    objects = []
    for item in scene.objects:
        if item.id in presence.there and item.seen_through:
            item = replace(item, seen_through=0.0)
        elif item.id in presence.through:
            item = replace(item, seen_through=min(item.seen_through + IMAGE_VIEW, float(fade_views)))
        if item.found or item.pinned or item.seen_through + item.missed_views < fade_views:
            objects.append(item)
    is_new = len(objects) < len(scene.objects) or any(new is not old for new, old in zip(objects, scene.objects))
    return replace(scene, objects=tuple(objects)) if is_new else scene


def with_thumbnails(scene, thumbnails):
    """The Scene with pictures of its objects, at most MAX_THUMBNAILS. thumbnails: dict id -> Thumbnail."""
    left = MAX_THUMBNAILS - sum(item.thumbnail is not None for item in scene.objects)
    objects = []
    for item in scene.objects:
        if item.id in thumbnails and (item.thumbnail is not None or left > 0):
            left -= item.thumbnail is None
            item = replace(item, thumbnail=thumbnails[item.id])
        objects.append(item)
    return replace(scene, objects=tuple(objects))


def with_proposal(scene, proposal, vector, new_id):
    """The Scene with an object for a Proposal of detectors; the same if an object is there or nothing of it is left.

    vector: [C] unit vector of its word; new_id: function that returns an id
    """
    voxels = scene.instances.voxels
    inside = isin_sorted(cell_keys(voxels.positions, CELL), proposal.cells)
    for item in scene.objects:
        if item.background:
            inside[scene.instances.masks[item.row]] = False
    mask = np.flatnonzero(inside).astype(np.int32)
    known = scene.space.find_label(proposal.word)
    is_background = known is not None and known >= len(scene.space.vocabulary.labels)
    if len(mask) < MIN_VOXELS or is_background or sum(item.proposed for item in scene.objects) >= MAX_PROPOSED:
        return scene
    box = OrientedBox.fit(voxels.positions[mask])
    if any(not item.background and item.box.iou(box) > MAX_OVERLAP for item in scene.objects):
        return scene
    item = object_at(
        scene,
        new_id(),
        proposal.word,
        box,
        CloudOccupancy(scene.cloud, voxels).of_mask(mask),
        label_score=0.0,
        objectness=PROPOSED_OBJECTNESS,
        mask_score=proposal.score,
        centroid=voxels.positions[mask].mean(axis=0),
        weight=PROPOSED_OBJECTNESS * proposal.score,
        proposed=1,
        votes=NO_VOTES.plus(proposal.word, proposal.score * proposal.count, proposal.count),
    )
    scene, item = with_row(scene, item, vector, mask)
    objects = label_objects([*scene.objects, item], scene.instances.features, scene.space)
    return replace(scene, objects=objects)
