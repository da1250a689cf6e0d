# SPDX-License-Identifier: Apache-2.0
"""Service handlers without side effects: they answer from immutable snapshots of the scene.

Each is `async handler(session, request, response)`; see `services`. Blocking work runs on a pool thread.
"""

import contextlib

import numpy as np
from rclpy.time import Time

from .. import SpaceformerError
from ..graph.answer import asked_as
from ..scene.approach import NoApproach, find_approach
from ..scene.find import in_words, summary
from ..show.markers import highlights_for
from ..words.vocabulary import check_text
from . import messages
from .embedding import embed_in_batches
from .limits import MAX_APPROACHES, MAX_EMBED_TEXTS, MAX_SELECTED, SHORT_CHARACTERS, SHORT_TEXTS
from .refusal import Refusal
from .transforms import TransformError

MAX_NAMED = 20  # ids or labels listed in a message


async def find_objects(session, request, response):
    """Find objects by text."""
    scene = active_scene(session)
    response.header, response.map_revision = messages.to_header(scene), scene.map_revision
    position = await _reference_position(session, request, scene)
    transform, header = await _placement(session, request.target_frame, scene)
    lane = "queries" if _is_short(request) else "long_queries"
    found, approaches, reasons = await session.background.run(_find, session, request, scene, position, lane=lane)
    response.header = header
    response.matches = [
        messages.to_match(scene, answer, match, transform, approaches.get(match.object.id))
        for answer in found
        for match in answer.matches
    ]
    remarks = [remark for answer in found for remark in answer.remarks]
    response.message = "; ".join([summary(found), *remarks, *reasons])
    if not response.matches:
        raise Refusal("NOT_FOUND", response.message)


def _is_short(request):
    """Whether a FindObjects request is answered in a moment, also if its texts are new; many others may be waiting."""
    texts = [request.query, *request.queries, request.near_query, request.relation_query]
    count, characters = sum(map(bool, texts)), sum(map(len, texts))
    return count <= SHORT_TEXTS and characters <= SHORT_CHARACTERS and not request.with_approach


async def _reference_position(session, request, scene):
    """[3] metres in the scene's frame: the origin of the request's reference_frame, or None."""
    if request.reference_frame:
        return (await lookup(session, scene.frame_id, request.reference_frame)).apply(np.zeros(3))
    if request.sort_by_distance:
        raise SpaceformerError("sort_by_distance needs reference_frame, e.g. base_link")
    return None


def _find(session, request, scene, position):
    """Answers, approaches by object id, and reasons where there is none. Runs on a pool thread."""
    config = session.settings.config.scene
    asked = _asked(request, config, position)
    found = session.perception.require_pipeline().ask(asked, scene, wait=False)
    approaches, reasons = _approaches(scene, found, config, position) if request.with_approach else ({}, [])
    if request.highlight:
        session.outputs.highlight(highlights_for(found, approaches))
    return found, approaches, reasons


def _approaches(scene, found, config, position):
    """Dict id -> Approach of the first MAX_APPROACHES objects in a list of Answers, and sentences why others have none.

    config: SceneConfig; position: [3] metres of the robot in the scene's frame, or None.
    """
    approaches, reasons = {}, []
    robot = None if position is None else scene.cloud.placement.inverse.apply(position)
    footprint = config.robot_footprint
    objects = {match.object.id: match.object for answer in found for match in answer.matches}
    for key, item in list(objects.items())[:MAX_APPROACHES]:
        try:
            approaches[key] = find_approach(scene.cloud.xyz, item.box, config.approach_standoff, footprint, robot)
        except NoApproach as error:
            reasons.append(f"no approach to {item.label} {key}: {error}")
    if len(objects) > MAX_APPROACHES:
        reasons.append(
            f"approaches to the first {MAX_APPROACHES} of {len(objects)} objects only: ask for fewer at once"
        )
    return approaches, reasons


def _asked(request, config, position):
    """The list of Asked of a FindObjects request. config: SceneConfig; position: [3] metres of the robot, or None."""
    limits = ("min_score", "min_confidence")  # negative: no limit
    for name in ("region_radius", "near_distance", *limits):
        if not np.isfinite(getattr(request, name)) or (getattr(request, name) < 0 and name not in limits):
            raise SpaceformerError(f"{name} is {getattr(request, name)}, expected a finite number >= 0")
    center, region = request.region_center, None
    if request.region_radius > 0:
        region = (np.array([center.x, center.y, center.z]), request.region_radius)
        if not np.isfinite(region[0]).all():
            raise SpaceformerError(f"region_center is {region[0].tolist()}, expected finite numbers")
    first = [request.query] if request.query or not request.queries else []
    return asked_as(
        [*first, *request.queries],
        request,
        config,
        min_score=request.min_score or config.min_match_score,
        min_confidence=request.min_confidence or config.min_match_confidence,
        position=position,
        sort_by_distance=request.sort_by_distance,
        region=region,
    )


async def show_relevancy(session, request, response):
    """Publish the relevancy of each point for a text, or the probability of an object's mask."""
    scene = active_scene(session)
    response.header, response.map_revision = messages.to_header(scene), scene.map_revision
    heat = await _mask_heat(session, request, scene) if request.mask_of else None
    shown = session.background.run(_show_relevancy, session, request.query, scene, heat, lane="drawing")
    relevancy, response.header = await shown
    response.min_relevancy, response.max_relevancy = float(relevancy.min()), float(relevancy.max())
    if request.query:
        session.views.text = request.query
    what = f"the mask of object {request.mask_of}" if request.mask_of else repr(request.query)
    response.message = f"best relevancy of {len(relevancy)} points for {what}: {response.max_relevancy:.2f}"
    if heat is not None and not heat.any():
        response.message += "; the network has no mask of it in this map"


async def _mask_heat(session, request, scene):
    """The probability [N] that each point belongs to the object of a ShowRelevancy request."""
    if request.query:
        raise SpaceformerError("query and mask_of are both given: leave one of them empty")
    if scene.find_id(request.mask_of) is None:
        raise Refusal("NOT_FOUND", f"no object with id {request.mask_of} in map revision {scene.map_revision}")
    return await session.background.wrap(session.perception.mask_heat(request.mask_of, scene))


def _show_relevancy(session, text, scene, heat):
    """Relevancy [N] for a text, or `heat`, and the header of the published cloud. Runs on a pool thread."""
    relevancy = session.perception.require_pipeline().relevancy(text, scene) if heat is None else heat
    return relevancy, session.outputs.publish_relevancy(scene, relevancy)


async def get_instances(session, request, response):
    """Objects by id or label."""
    scene = active_scene(session)
    for name in ("ids", "labels"):
        if len(getattr(request, name)) > MAX_SELECTED:
            raise SpaceformerError(f"{len(getattr(request, name))} {name} given, at most {MAX_SELECTED} are supported")
    objects = _select(scene, request, session.settings.config.postprocess)
    transform, header = await _placement(session, request.target_frame, scene)
    wanted = request.with_embeddings, request.with_thumbnails
    response.result = messages.to_instance_array(scene, objects, transform, header, *wanted)
    missing = sorted(set(request.ids) - {item.id for item in objects})
    if missing or not objects:
        what = f"id {_some(missing)}" if missing else f"label {_some(request.labels) or 'any'}"
        known = _some(sorted({item.label for item in scene.objects})) or "no objects"
        raise Refusal("NOT_FOUND", f"no object with {what} in map revision {scene.map_revision}, which has {known}")
    outside = sum(not item.in_map for item in objects)
    note = f", {outside} not in the current map" if outside else ""
    response.message = f"{len(objects)} of {len(scene.objects)} objects{note}"


def _select(scene, request, limits):
    """The objects that a GetInstances request asks for: the published ones if it names neither ids nor labels."""
    if not request.ids and not request.labels:
        return scene.published(limits)
    ids, labels = set(request.ids), {label.strip().casefold() for label in request.labels}
    return [
        item
        for item in scene.objects
        if (not labels or item.label.casefold() in labels) and (not ids or item.id in ids)
    ]


def _some(values):
    """The first values as text."""
    text = ", ".join(map(str, values[:MAX_NAMED]))
    return text + (f" and {len(values) - MAX_NAMED} more" if len(values) > MAX_NAMED else "")


async def get_instance_cloud(session, request, response):
    """The points of one object."""
    scene = active_scene(session)
    item = scene.find_id(request.id)
    if item is None:
        raise Refusal("NOT_FOUND", f"no object with id {request.id} in map revision {scene.map_revision}")
    transform, header = await _placement(session, request.target_frame, scene)
    response.cloud = messages.to_object_cloud(scene, item, transform, header)
    response.message = f"{in_words(item)}: {response.cloud.width} points"


async def embed_text(session, request, response):
    """Unit vectors of texts."""
    embedder = session.perception.require_pipeline().embedder
    if not 1 <= len(request.texts) <= MAX_EMBED_TEXTS:
        raise SpaceformerError(f"{len(request.texts)} texts given, expected 1 to {MAX_EMBED_TEXTS}")
    for text in request.texts:
        check_text(text)
    vectors = await embed_in_batches(session, embedder, list(request.texts))
    response.dim, response.values = vectors.shape[1], vectors.reshape(-1).tolist()
    response.text_model = str(embedder.model_id)
    response.message = f"{len(vectors)} vectors of {vectors.shape[1]}"


def active_scene(session):
    """The current Scene. Raises Refusal without one or while the node is not active."""
    session.require_active()
    return session.perception.require_scene()


async def _placement(session, target, scene):
    """The transform of a scene's local coordinates into `target`, and the Header of what it has moved.

    target: empty for the scene's frame. In a frame that moves the stamp is that of the latest transform, so that a
    client can move the reply on.
    """
    target = target.lstrip("/") or scene.frame_id
    found, time = await _wait_briefly(session, session.transforms.timed_lookup, target, scene.frame_id, Time())
    return found.after(scene.cloud.placement), messages.to_header(scene, target, time.nanoseconds)


async def lookup(session, target, source, stamp=Time()):  # noqa: B008 (never changed)
    """The transform from `source` into `target` at an rclpy Time, by default the latest."""
    return await _wait_briefly(session, session.transforms.lookup, target, source, stamp)


async def _wait_briefly(session, find, *arguments):
    """The result of a method of Transforms, whose last argument, its timeout, is tf_timeout.

    A known transform is returned immediately: requests with unknown frames delay only other requests of this kind.
    """
    with contextlib.suppress(TransformError):
        return find(*arguments, 0.0)
    timeout = session.settings.config.output.tf_timeout
    return await session.background.run(find, *arguments, timeout, lane="transforms")
