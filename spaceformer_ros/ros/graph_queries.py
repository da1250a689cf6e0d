# SPDX-License-Identifier: Apache-2.0
"""Service handlers about the scene graph: its text, the place of a pose, and edits of the scene.

Each is `async handler(session, request, response)`; see `services`.
"""

import math

import numpy as np

from .. import SpaceformerError
from ..geometry.transform import IDENTITY
from ..graph.formats import to_text
from ..graph.places import DEFAULT_RADIUS, locate_in
from ..scene.edit_request import OPERATIONS, EditRequest
from . import messages
from .graph_messages import to_node
from .queries import active_scene, lookup
from .refusal import Refusal
from .transforms import TransformError

MAX_RADIUS = 1000.0  # metres of a Locate request
LISTED_EDITS = 20  # in a reply


async def get_scene_graph(session, request, response):
    """The scene graph as text."""
    scene = active_scene(session)
    response.map_revision = scene.map_revision
    pipeline = session.perception.require_pipeline()
    graph, response.content = await session.background.run(_graph_text, pipeline, scene, request.format or "json")
    response.message = f"{len(graph.nodes)} nodes and {len(graph.edges)} edges, map revision {scene.map_revision}"


def _graph_text(pipeline, scene, form):
    graph = pipeline.graph(scene)
    return graph, to_text(graph, form)


async def locate(session, request, response):
    """The storey and room of a pose, and the objects near it."""
    scene = active_scene(session)
    response.header, response.map_revision = messages.to_header(scene), scene.map_revision
    radius = request.radius or DEFAULT_RADIUS
    if not 0 < radius <= MAX_RADIUS:
        raise SpaceformerError(f"radius is {request.radius}, expected 0 to {MAX_RADIUS:g} m")
    position, _ = await _pose_in_frame(session, request, scene)
    pipeline = session.perception.require_pipeline()
    graph = await session.background.run(pipeline.graph, scene)
    place = locate_in(graph, position, radius)
    response.near = [to_node(node, IDENTITY) for node, _ in place.near]
    response.distances = [distance for _, distance in place.near]
    response.storey = place.storey.number if place.storey else 0
    response.message = str(place)
    if place.room is None:
        raise Refusal("NOT_FOUND", response.message)
    response.room_id, response.room, response.room_score = place.room.number, place.room.label, place.room.score


async def _pose_in_frame(session, request, scene):
    """([3] metres, yaw in radians) of a request's pose in the scene's frame.

    Raises SpaceformerError and TransformError.
    """
    p, q = request.pose.position, request.pose.orientation
    numbers = (p.x, p.y, p.z, q.x, q.y, q.z, q.w)
    if not np.isfinite(numbers).all():
        raise SpaceformerError("the pose is not finite")
    yaw = math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))
    if not request.frame_id:
        return np.array([p.x, p.y, p.z]), yaw
    transform = await lookup(session, scene.frame_id, request.frame_id)
    return transform.apply((p.x, p.y, p.z)), yaw + transform.yaw


async def edit_object(session, request, response):
    """Correct the scene by hand; the result is published."""
    scene = active_scene(session)
    if not 1 <= request.operation <= len(OPERATIONS):
        raise SpaceformerError(f"operation is {request.operation}, expected 1 to {len(OPERATIONS)}, see EditObject.srv")
    position, yaw = await _pose_in_frame(session, request, scene)
    asked = EditRequest(
        operation=OPERATIONS[request.operation - 1],
        ids=tuple(request.ids),
        label=" ".join(request.label.split()),
        position=tuple(position.tolist()),
        yaw=float(yaw),
        size=(request.size.x, request.size.y, request.size.z),
        count=request.count or 1,
        author=request.author or "operator",
        expected_revision=request.expected_revision,
    )
    response.map_revision = scene.map_revision
    now = session.now_ns()
    changed, ids, error = await session.background.run(session.perception.edit_scene, asked, now, lane="settings")
    response.map_revision, response.ids = changed.map_revision, list(ids)
    history = session.perception.require_pipeline().store.history
    response.message = history[-1].text
    newest = reversed(history[-LISTED_EDITS:])
    response.history = [f"{edit.time} {edit.author}: {edit.text}" for edit in newest]
    if error is not None:
        raise TransformError(f"{response.message}, but it could not be published: {error}")
