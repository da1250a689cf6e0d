# SPDX-License-Identifier: Apache-2.0
"""The scene graph of a Scene and its Layout."""

import math

import numpy as np

from ..geometry.floor import base_height
from ..grids.groups import Members
from . import nodes as kinds
from .nodes import CONNECTS, NETWORK, OPERATOR, Edge, Node, SceneGraph, node_id
from .relations import BUILDING, find_relations
from .room_names import RoomName, name_room
from .surfaces import Body, exclusive

AT_WALL = 0.4  # metres in plan from the middle of a thing to the wall that it is attached to, beyond half its depth


def build_graph(scene, layout, limits, room_table):
    """The SceneGraph of a Scene in the scene's frame.

    layout: Layout in the local coordinates of the scene's cloud, empty if unknown
    limits: PostprocessConfig, by which objects are published
    room_table: dict room name -> labels of objects, of the vocabulary file
    """
    objects = list(scene.published(limits))
    rooms = [layout.room_at(item.box.center) for item in objects]
    moved = layout.moved(scene.cloud.placement)
    made = [_building(scene), *_structure(moved)]
    made += _rooms(moved, objects, rooms, dict(room_table), dict(scene.room_names))
    parents = {node.id for node in made}
    made += [_object(scene, item, room, layout, parents) for item, room in zip(objects, rooms)]
    edges = [*_doors(moved), *_relations(scene, objects, rooms, layout)]
    return SceneGraph(
        scene.frame_id,
        scene.cloud.stamp_ns,
        scene.map_id,
        scene.map_revision,
        tuple(made),
        tuple(edges),
    )


def graph_of(layout, boxes, frame_id="map"):
    """The SceneGraph of a Layout and pairs (label, OrientedBox) that are known, without rooms and relations."""
    things = [
        _node(kinds.OBJECT, number, kinds.BUILDING, box.center, box.size, box.yaw, label=label)
        for number, (label, box) in enumerate(boxes, 1)
    ]
    return SceneGraph(frame_id, 0, "", 0, (*_structure(layout), *things))


# --- nodes ------------------------------------------------------------------------------------------------------------


def _building(scene):
    xyz = scene.cloud.xyz
    low, high = xyz.min(axis=0).astype(float), xyz.max(axis=0).astype(float)
    center = scene.cloud.placement.apply((low + high) / 2)
    yaw = scene.cloud.placement.yaw
    name = scene.map_id or kinds.BUILDING
    return Node(kinds.BUILDING, kinds.BUILDING, 0, name, "", _numbers(center), _numbers(high - low), yaw)


def _structure(layout):
    """Nodes of storeys, walls, doors and windows of a Layout in the scene's frame."""
    made = []
    for storey in layout.storeys:
        outlines = [corner for room in layout.rooms if room.storey == storey.id for corner in room.outline]
        center, size = _middle(outlines, storey.floor_z, storey.ceiling_z)
        made.append(_node(kinds.STOREY, storey.id, kinds.BUILDING, center, size))
    for wall in layout.walls:
        center = (*np.mean([wall.start, wall.end], axis=0), wall.z + wall.height / 2)
        size, yaw = (wall.length, wall.thickness, wall.height), math.atan2(*wall.direction[::-1])
        made.append(_node(kinds.WALL, wall.id, node_id(kinds.STOREY, wall.storey), center, size, yaw))
    walls = {wall.id: wall for wall in layout.walls}
    for kind, items in ((kinds.DOOR, layout.doors), (kinds.WINDOW, layout.windows)):
        for item in items:
            wall = walls.get(item.wall)
            size = (item.width, wall.thickness if wall else 0.0, item.height)
            yaw = math.atan2(*wall.direction[::-1]) if wall else 0.0
            parent = node_id(kinds.WALL, item.wall) if wall else kinds.BUILDING
            made.append(_node(kind, item.id, parent, item.center, size, yaw, state=getattr(item, "state", "")))
    return made


def _rooms(layout, objects, rooms, table, names):
    """Nodes of the rooms of a Layout in the scene's frame.

    objects, rooms: the SceneObjects and the room of each; names: dict room id -> name that an operator gave.
    """
    storeys, made = {storey.id: storey for storey in layout.storeys}, []
    for room in layout.rooms:
        inside = [item for item, other in zip(objects, rooms) if other is not None and other.id == room.id]
        found = name_room([(item.label, item.score, f"{item.label} {item.id}") for item in inside], table)
        given = names.get(room.id)
        if given:
            found = RoomName(((given, 1.0), *found.candidates), found.evidence)
        storey = storeys.get(room.storey)
        floor, ceiling = (storey.floor_z, storey.ceiling_z) if storey else (0.0, 0.0)
        _, size = _middle(room.outline, floor, ceiling)
        made.append(
            _node(
                kinds.ROOM,
                room.id,
                node_id(kinds.STOREY, room.storey) if storey else kinds.BUILDING,
                (*room.center, floor),
                size,
                label=found.name,
                score=found.candidates[0][1],
                source=OPERATOR if given else NETWORK,
                outline=room.outline,
                area=room.area,
                candidates=found.candidates,
                evidence=found.evidence,
            )
        )
    return made


def _object(scene, item, room, layout, parents):
    """Node of a SceneObject in a room, else in a storey, else in the building."""
    storey = layout.storey_at(float(item.box.center[2]))
    choices = [node_id(kinds.ROOM, room.id)] if room else []
    choices += [node_id(kinds.STOREY, storey.id)] if storey else []
    parent = next((choice for choice in choices if choice in parents), kinds.BUILDING)
    box = scene.box_in_frame(item)
    return _node(
        kinds.OBJECT,
        item.id,
        parent,
        box.center,
        box.size,
        box.yaw,
        label=item.label,
        state="" if item.in_map else kinds.OUTSIDE,
        score=float(item.score),
        source=item.label_source,
    )


def _node(kind, number, parent, center, size, yaw=0.0, label="", **more):
    key = node_id(kind, number)
    return Node(key, kind, number, label or kind, parent, _numbers(center), _numbers(size), float(yaw), **more)


def _middle(corners, low, high):
    """(center, size) of the box around corners [(x, y), ...] between two heights."""
    xy = np.array(corners, dtype=np.float64).reshape(-1, 2)
    first, last = (xy.min(axis=0), xy.max(axis=0)) if len(xy) else (np.zeros(2), np.zeros(2))
    return (*((first + last) / 2), (low + high) / 2), (*(last - first), high - low)


def _numbers(values):
    return tuple(float(value) for value in values)


# --- edges ------------------------------------------------------------------------------------------------------------


def _doors(layout):
    rooms = {room.id for room in layout.rooms}
    return [
        Edge(node_id(kinds.DOOR, door.id), CONNECTS, node_id(kinds.ROOM, room))
        for door in layout.doors
        for room in door.rooms
        if room in rooms
    ]


def _relations(scene, objects, rooms, layout):
    """Edges between the objects, and from attached ones to their walls."""
    points, keys = object_points(scene, objects), [node_id(kinds.OBJECT, item.id) for item in objects]
    shown = [k for k in range(len(objects)) if len(points[k])]
    others = _unexplained(scene, objects)
    floors = [storey.floor_z for storey in layout.storeys] or [base_height(scene.cloud.xyz[:, 2])]
    names = [rooms[k].id if rooms[k] else None for k in shown]
    edges = []
    for relation in find_relations([Body.of(points[k]) for k in shown], others, floors, names):
        source = shown[relation.subject]
        hung = relation.target == BUILDING
        target = _wall_at(objects[source].box, layout) if hung else keys[shown[relation.target]]
        edges.append(Edge(keys[source], relation.kind, target, relation.score))
    return edges


def object_points(scene, objects):
    """List of the points [n, 3] of each object; of one without points in the map, where it was last found."""
    members = Members(scene.instances.voxels.point_to_voxel, len(scene.instances.voxels))
    masks = exclusive([scene.instances.masks[item.row] for item in objects], len(scene.instances.voxels))
    return [
        scene.cloud.xyz[members.of(mask)] if len(mask) else item.occupancy.own for item, mask in zip(objects, masks)
    ]


def _unexplained(scene, objects):
    """[m, 3] metres: voxels of the map that belong to none of the objects."""
    free = np.ones(len(scene.instances.voxels), dtype=bool)
    for item in objects:
        free[scene.instances.masks[item.row]] = False
    return scene.instances.voxels.positions[free]


def _wall_at(box, layout):
    """Id of the wall nearest to a box, or of the building if none is near."""
    best, distance = kinds.BUILDING, AT_WALL + float(min(box.size[:2])) / 2
    for wall in layout.walls:
        along, across = wall.local(box.center[:2])
        if -0.2 <= along <= wall.length + 0.2 and abs(across) < distance:
            best, distance = node_id(kinds.WALL, wall.id), abs(float(across))
    return best
