"""The node's services: answers come from immutable snapshots, errors become codes with a sentence."""

import functools
import time

import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.time import Time
from std_srvs.srv import SetBool, Trigger

from .. import SpaceformerError, StorageError
from ..scene.approach import find_approach
from ..scene.data_dir import scene_path
from ..scene.find import queries_for, summary
from ..show.markers import highlights_for
from ..words.vocabulary import Vocabulary, check_text
from . import interfaces, messages
from .rate_limit import RateLimit
from .transforms import TransformError

ResultCode = interfaces.ResultCode
DEFAULT_NEAR_DISTANCE = 1.0  # metres, where a request leaves near_distance at 0
MAX_EMBED_TEXTS = 1000  # of one EmbedText request


class Refusal(Exception):
    """An answer that is not OK: the name of a constant of ResultCode, and the sentence for `message`."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def answers(handler):
    """Decorate a handler of a service with result codes: errors become its code and message, never an empty reply."""

    @functools.wraps(handler)
    async def guarded(self, request, response):
        try:
            self._require_patience()
            await handler(self, request, response)
        except Refusal as refusal:
            response.code, response.message = getattr(ResultCode, refusal.code), str(refusal)
        except TransformError as error:
            self._node.counters.tf_errors += 1
            response.code, response.message = ResultCode.TF_FAILED, str(error)
        except StorageError as error:
            response.code, response.message = getattr(ResultCode, error.code), str(error)
        except SpaceformerError as error:
            response.code, response.message = ResultCode.INVALID_REQUEST, str(error)
        except Exception as error:  # the node must answer and live, whatever happened
            self._node.get_logger().error(f"{handler.__name__}: {type(error).__name__}: {error}")
            response.code = ResultCode.INTERNAL_ERROR
            response.message = f"internal error, see the node's log: {type(error).__name__}: {error}"
        return response

    return guarded


def reports(handler):
    """Decorate a handler of a std_srvs service, which returns the message of its success: Refusals and errors become
    success false with their sentence."""

    @functools.wraps(handler)
    async def guarded(self, request, response):
        try:
            self._require_patience()
            response.message = await handler(self, request)
            response.success = True
        except (Refusal, SpaceformerError) as error:
            response.message = str(error)
        except Exception as error:  # as above
            self._node.get_logger().error(f"{handler.__name__}: {type(error).__name__}: {error}")
            response.message = f"internal error, see the node's log: {type(error).__name__}: {error}"
        return response

    return guarded


class Services:
    """All services of one configured node; they exist from configure to cleanup."""

    def __init__(self, node):
        self._node, self._background, self._limit = node, node.background, RateLimit()
        group = ReentrantCallbackGroup()
        table = {
            "find_objects": (interfaces.FindObjects, self.find_objects),
            "show_relevancy": (interfaces.ShowRelevancy, self.show_relevancy),
            "set_vocabulary": (interfaces.SetVocabulary, self.set_vocabulary),
            "get_instances": (interfaces.GetInstances, self.get_instances),
            "get_instance_cloud": (interfaces.GetInstanceCloud, self.get_instance_cloud),
            "embed_text": (interfaces.EmbedText, self.embed_text),
            "segment_now": (interfaces.SegmentNow, self.segment_now),
            "save": (interfaces.SaveScene, self.save),
            "load": (interfaces.LoadScene, self.load),
            "clear": (Trigger, self.clear),
            "republish": (Trigger, self.republish),
            "set_enabled": (SetBool, self.set_enabled),
        }
        self._services = [
            node.create_service(kind, f"~/{name}", handler, callback_group=group)
            for name, (kind, handler) in table.items()
        ]

    def destroy(self):
        """Remove all services from the node."""
        for service in self._services:
            self._node.destroy_service(service)

    @answers
    async def find_objects(self, request, response):
        """Where is the X?"""
        self._require_active()
        scene = self._scene()
        response.header, response.map_revision = messages.to_header(scene), scene.map_revision
        found, approaches, transform, frame_id = await self._background.run(self._find, request, scene)
        response.header = messages.to_header(scene, frame_id)
        response.matches = [
            messages.to_match(scene, answer.text, match, transform, approaches.get(match.object.id))
            for answer in found
            for match in answer.matches
        ]
        response.message = summary(found)
        if not response.matches:
            raise Refusal("NOT_FOUND", response.message)

    def _find(self, request, scene):
        """Runs on a pool thread: may wait for a transform or the text model."""
        position = None
        if request.reference_frame:
            position = self._lookup(scene.frame_id, request.reference_frame).apply(np.zeros(3))
        elif request.sort_by_distance:
            raise SpaceformerError("sort_by_distance needs reference_frame, e.g. base_link")
        queries = _queries(request, self._node.config.scene, position)
        transform = self._lookup(request.target_frame, scene.frame_id)
        found, approaches = self._node.pipeline.find_all(queries, scene), {}
        if request.with_approach:
            approaches = self._approaches(scene, found, position)
        if request.highlight:
            self._node.outputs.highlight(highlights_for(found, approaches))
        return found, approaches, transform, request.target_frame or scene.frame_id

    def _approaches(self, scene, found, position):
        """Dict id -> Approach, or None, of the objects in a list of Answers."""
        config = self._node.config.scene
        standoff, radius = config.approach_standoff, config.robot_radius
        boxes = {match.object.id: match.object.box for answer in found for match in answer.matches}
        return {key: find_approach(scene.cloud.xyz, box, standoff, radius, position) for key, box in boxes.items()}

    @answers
    async def show_relevancy(self, request, response):
        """Publish how well a text fits each point."""
        self._require_active()
        scene = self._scene()
        response.header, response.map_revision = messages.to_header(scene), scene.map_revision
        relevancy, response.header = await self._background.run(self._show_relevancy, request.query, scene)
        response.min_relevancy, response.max_relevancy = float(relevancy.min()), float(relevancy.max())
        response.message = f"the best of {len(relevancy)} points fits {request.query!r} by {response.max_relevancy:.2f}"

    def _show_relevancy(self, text, scene):
        """Runs on a pool thread: may wait for a transform or the text model."""
        relevancy = self._node.pipeline.relevancy(text, scene)
        return relevancy, self._node.outputs.publish_relevancy(scene, relevancy, self._node.config)

    @answers
    async def set_vocabulary(self, request, response):
        """Other words; labels change without a run of the network."""
        pipeline = self._pipeline()
        labels, background = pipeline.space.vocabulary.entries()
        labels = [*labels, *request.labels] if request.append else list(request.labels)
        vocabulary = Vocabulary.parse(labels, list(request.background_labels) or background)
        try:
            space = await self._background.run(self._node.use_vocabulary, vocabulary)
        finally:  # it may be in use though it could not be published
            self._node.remember_vocabulary()
        response.revision, response.active_labels = space.revision, list(space.vocabulary.labels)
        response.message = f"{len(space.vocabulary.labels)} labels in use, revision {space.revision}"

    @answers
    async def get_instances(self, request, response):
        """Objects by id or label."""
        self._require_active()
        scene = self._scene()
        objects = scene.published(self._node.config.postprocess.score_threshold)
        if request.labels:
            objects = [item for item in scene.objects if item.label in request.labels]
        if request.ids:
            objects = [item for item in (scene.objects if not request.labels else objects) if item.id in request.ids]
        transform = await self._background.run(self._lookup, request.target_frame, scene.frame_id)
        response.result = messages.to_instance_array(
            scene, objects, transform, request.target_frame, request.with_embeddings
        )
        missing = sorted(set(request.ids) - {item.id for item in objects})
        if missing or not objects:
            what = f"id {', '.join(map(str, missing))}" if missing else f"label {', '.join(request.labels) or 'any'}"
            raise Refusal("NOT_FOUND", f"no object with {what} in map revision {scene.map_revision}")
        response.message = f"{len(objects)} of {len(scene.objects)} objects"

    @answers
    async def get_instance_cloud(self, request, response):
        """The points of one object."""
        self._require_active()
        scene = self._scene()
        item = scene.find_id(request.id)
        if item is None:
            raise Refusal("NOT_FOUND", f"no object with id {request.id} in map revision {scene.map_revision}")
        transform = await self._background.run(self._lookup, request.target_frame, scene.frame_id)
        response.cloud = messages.to_object_cloud(scene, item, transform, request.target_frame)
        response.message = f"{item.label} {item.id}: {response.cloud.width} points"

    @answers
    async def embed_text(self, request, response):
        """Unit vectors of texts."""
        pipeline = self._pipeline()
        if not 1 <= len(request.texts) <= MAX_EMBED_TEXTS:
            raise SpaceformerError(f"{len(request.texts)} texts given, expected 1 to {MAX_EMBED_TEXTS}")
        for text in request.texts:
            check_text(text)
        vectors = await self._background.run(pipeline.embedder.embed, list(request.texts))
        response.dim, response.values = vectors.shape[1], vectors.reshape(-1).tolist()
        response.text_model = str(pipeline.embedder.model_id)
        response.message = f"{len(vectors)} vectors of {vectors.shape[1]}"

    @answers
    async def segment_now(self, request, response):
        """Run the network on the newest cloud."""
        self._require_active()
        pipeline = self._pipeline()
        if pipeline.scene:
            response.map_revision = pipeline.scene.map_revision
        work = self._node.segment_latest()
        if work is None:
            raise Refusal("NO_MAP_YET", "no cloud has arrived on ~/input/points yet")
        if not request.wait:
            response.message = "started; the result will be published"
            return
        try:
            scene = await self._background.wrap(work, request.timeout or None)
        except TimeoutError:
            text = f"still running after {request.timeout:g} s; the result will be published"
            raise Refusal("TIMEOUT", text) from None
        except SpaceformerError as error:
            raise Refusal("INTERNAL_ERROR", str(error)) from error
        response.map_revision = scene.map_revision
        response.num_instances = len(scene.published(self._node.config.postprocess.score_threshold))
        response.message = f"{response.num_instances} instances, map revision {scene.map_revision}"

    @answers
    async def save(self, request, response):
        """The current scene into a file; also while the node is not active."""
        pipeline = self._pipeline()
        path = scene_path(request.path, self._node.config.storage)
        response.path = str(path)
        scene, response.num_bytes = await self._background.run(self._node.storage.save, pipeline, path)
        response.map_revision, response.num_objects = scene.map_revision, len(scene.objects)
        response.message = f"{len(scene.objects)} objects, map revision {scene.map_revision}, saved to {path}"

    @answers
    async def load(self, request, response):
        """A saved scene in the place of the current one; also while the node is not active."""
        pipeline = self._pipeline()
        path = scene_path(request.path, self._node.config.storage)
        response.path = str(path)
        wanted = request.map_id, request.frame_id
        scene = await self._background.run(self._node.load_scene, pipeline, path, *wanted)
        response.saved_map_id, response.saved_frame_id = scene.map_id, scene.frame_id
        response.map_revision, response.num_objects = scene.map_revision, len(scene.objects)
        response.message = f"{len(scene.objects)} objects of map {scene.map_id!r} loaded from {path}"

    @reports
    async def clear(self, _request):
        """Forget the scene; the vocabulary and the ids already given stay."""
        self._node.clear_scene()
        return "the scene is empty until the next cloud"

    @reports
    async def republish(self, _request):
        """Send the latched topics once more."""
        scene = self._scene()
        await self._background.run(self._node.publish_scene, scene, True)
        return f"map revision {scene.map_revision} published again"

    @reports
    async def set_enabled(self, request):
        """Switch the taking of clouds on or off; queries go on working."""
        self._node.set_enabled(request.data)
        return "clouds are processed" if request.data else "clouds are ignored"

    def _lookup(self, target, source):
        """Transform of the latest time that maps `source` into `target`."""
        return self._node.transforms.lookup(target, source, Time(), self._node.config.output.tf_timeout)

    def _require_patience(self):
        most = self._node.config.node.max_queries_per_second
        if not self._limit.admits(most, time.monotonic()):
            raise Refusal(
                "RATE_LIMITED",
                f"more than {most:g} requests per second: ask less often, or raise max_queries_per_second",
            )

    def _require_active(self):
        if not self._node.active:
            raise Refusal("NOT_ACTIVE", "the node is not active: `ros2 lifecycle set <node> activate`, or autostart")

    def _pipeline(self):
        if self._node.pipeline is None:
            raise Refusal("MODEL_NOT_READY", f"the model is not ready: {self._node.state_text}")
        return self._node.pipeline

    def _scene(self):
        scene = self._pipeline().scene
        if scene is None:
            raise Refusal("NO_MAP_YET", f"there is no map yet: {self._node.state_text}")
        return scene


def _queries(request, config, position):
    """The ObjectQueries of a FindObjects request. config: SceneConfig; position: [3] metres of the robot, or None."""
    for name in ("region_radius", "near_distance", "min_score"):
        if not np.isfinite(getattr(request, name)) or (getattr(request, name) < 0 and name != "min_score"):
            raise SpaceformerError(f"{name} is {getattr(request, name)}, expected a finite number >= 0")
    center, region = request.region_center, None
    if request.region_radius > 0:
        region = (np.array([center.x, center.y, center.z]), request.region_radius)
    first = [request.query] if request.query or not request.queries else []
    return queries_for(
        [*first, *request.queries],
        max_results=request.max_results or config.max_results,
        min_score=request.min_score or config.min_match_score,
        position=position,
        sort_by_distance=request.sort_by_distance,
        region=region,
        near_text=request.near_query,
        near_distance=request.near_distance or DEFAULT_NEAR_DISTANCE,
    )
