# SPDX-License-Identifier: Apache-2.0
"""From a cloud to a scene: segment it, label its objects, track them from cloud to cloud, answer queries.

Independent of ROS: both the node and the command line use this module. `build_pipeline` loads everything it needs.
"""

import contextlib
import functools
import logging
from dataclasses import dataclass, replace

import numpy as np
from shapely.errors import ShapelyError

from . import Cancelled, SpaceformerError, StorageError
from .cameras.evidence import FusionRule
from .clouds.plausibility import plausibility_remarks
from .clouds.selection import select_points
from .config import Settings
from .disk.paths import cache_folder
from .graph.answer import answer, texts_of
from .graph.nodes import ROOM, empty_graph
from .graph.source import GraphSource, read_layout
from .layout.find import LayoutFinder
from .layout.structure import Layout
from .layout.surfaces import SURFACES, surface_of
from .scene.edit_request import NAME_ROOM, EditError
from .scene.evidence import with_presence, with_proposal, with_sightings, with_thumbnails
from .scene.file import check_expected, read_scene, write_scene
from .scene.find import ObjectQuery, find_objects, rank
from .scene.objects import Scene
from .scene.saved_scene import ModelIdentity, SavedScene
from .scene.store import SceneStore
from .segment.alignment import shows_table_top
from .show.relevancy import point_relevancy
from .timing import Stopwatch
from .words.label_space import LabelSpace
from .words.other_things import Things, other_things
from .words.similarity import CosineBaseline
from .words.vocabulary import Vocabulary
from .words.vocabulary_file import read_vocabulary_file, vocabulary_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """Result of one cloud.

    scene: the new Scene;
    seconds: dict of stage -> seconds;
    remarks: sentences for the user;
    tiles: number of tiles of the map, 1 for a map in one run;
    tiles_computed: tiles that ran, the others had not changed.
    """

    scene: Scene
    seconds: dict
    remarks: tuple = ()
    tiles: int = 1
    tiles_computed: int = 1


class Observer:
    """Receives the progress of `Pipeline.process`. The methods of this base class do nothing."""

    def on_progress(self, text, tile=0, tiles=0):
        """Called with a sentence at the start and before each tile of a large map.

        tile: the tile that runs next, 1 for the first; tiles: of the map; both 0 where there are none. An exception
        ends `Pipeline.process`.
        """

    def wants_partial(self):
        """Called after each tile but the last: whether to compute a partial Scene for `on_partial` now."""
        return False

    def on_partial(self, scene):
        """Called with a partial Scene."""


@contextlib.contextmanager
def _explained(remarks):
    """A context in which refusals also say what is wrong with the map: one in millimetres is too large to segment."""
    try:
        yield
    except SpaceformerError as error:
        if type(error) is not SpaceformerError or not remarks:
            raise
        raise SpaceformerError("; ".join([str(error), *remarks])) from error


@dataclass(frozen=True)
class Snapshot:
    """A Scene as it can be written to a file, whatever replaces it meanwhile."""

    scene: Scene
    saved: SavedScene  # without its layout
    graphs: GraphSource

    def write(self, path):
        """Write it to a file, atomically. Returns the number of bytes. Raises StorageError; an existing file is then
        kept."""
        return write_scene(path, replace(self.saved, layout=self.graphs.saved(self.scene)))


class Pipeline:
    """Turns clouds into scenes, changes the vocabulary, and answers queries.

    `process` is for one thread, which owns the device. `set_vocabulary`, `clear`, `embed`, `find`, `save` and `load`
    may be called from other threads meanwhile: they use the text model and immutable snapshots only.
    """

    def __init__(self, segmenter, embedder, similarity, config=None, calibration=None):
        """Connect the parts; `build_pipeline` loads them.

        segmenter: Segmenter
        embedder: PromptEmbedder
        similarity: Similarity
        config: Config, or Settings that change at run time
        calibration: Calibration of the checkpoint, None if it has none
        """
        self.segmenter = segmenter
        self.embedder = embedder
        self.similarity = similarity
        self.calibration = calibration
        self._settings = Settings.of(config)
        self.store = SceneStore()
        self.graphs = GraphSource(
            self._find_layout,
            lambda: self.config.postprocess,
            self._room_table,
        )
        self._layouts = LayoutFinder()
        self._rooms = None  # (vocabulary_file, its table of rooms)
        self.space = None
        names = baseline_texts()
        self._things = Things(names, embedder.embed(names))
        self.cosine_baseline = CosineBaseline.measure(self._things.embeddings)
        self.set_vocabulary(vocabulary_of(self.config.vocabulary))

    @property
    def config(self):
        """The Config in use."""
        return self._settings.config

    @property
    def scene(self):
        """The current Scene, which may be partial, or None."""
        return self.store.scene

    @property
    def is_partial(self):
        """Whether the current Scene is partial. Between two calls of `process`: whether the last one failed."""
        return self.scene is not None and self.scene.partial

    @property
    def scene_epoch(self):
        """Number of times the scene was cleared."""
        return self.store.epoch

    def process(self, cloud, stopwatch=None, scene_epoch=None, observer=None):
        """Segment a Cloud, label and track its objects. Returns an Outcome.

        stopwatch: Stopwatch that receives the seconds per stage;
        scene_epoch: `scene_epoch` at the arrival of the cloud, None for now. A cloud from before the last `clear`
            raises Cancelled;
        observer: Observer of the progress and of partial scenes.

        Raises SpaceformerError and keeps the last complete scene.
        """
        stopwatch = stopwatch or Stopwatch()
        observer = observer or Observer()
        scene_epoch = self.scene_epoch if scene_epoch is None else scene_epoch
        self._check_epoch(scene_epoch)

        # Crop to the region of interest, subsample very large clouds, and check whether they are plausible maps.
        cloud, remarks = select_points(self.store.in_known_coordinates(cloud), self.config.input)
        plausibility = self._plausibility(cloud)
        text = f"segmenting {len(cloud)} points"
        observer.on_progress(text)

        # Run the network: in one run, or tile by tile on a large map, which ends with the complete result.
        update_scene = functools.partial(self._update_scene, cloud, stopwatch, scene_epoch)
        with _explained(plausibility):
            for found in self.segmenter.segment_in_parts(cloud, self.config, stopwatch):
                report = found.report
                if found.next_tile:
                    if report.computed and observer.wants_partial():
                        observer.on_partial(update_scene(found.instances, partial=True))
                    tile = found.next_tile, report.tiles
                    observer.on_progress(f"{text}: tile {tile[0]} of {tile[1]}", *tile)

        # Label the instances and continue the objects of the last scene.
        scene = update_scene(found.instances)
        remarks = (*cloud.remarks, *remarks, *report.remarks, *scene.remarks, *plausibility)
        return Outcome(scene, dict(stopwatch.seconds), remarks, report.tiles, report.computed)

    def _plausibility(self, cloud):
        """Tuple of sentences about a cloud that the network is not suited for."""
        voxel_size = self.segmenter.voxel_size
        is_table_top = self.config.input.enlarge == "auto" and shows_table_top(cloud.xyz, voxel_size)
        return tuple(map(str, plausibility_remarks(cloud, voxel_size, is_table_top)))

    def _update_scene(self, cloud, stopwatch, scene_epoch, instances, partial=False):
        with stopwatch.stage("label"), self.store.lock:
            self._check_epoch(scene_epoch)
            config = self.config.scene
            return self.store.update(cloud, instances, self.space, config, config.map_id, partial)

    def _check_epoch(self, scene_epoch):
        if scene_epoch != self.scene_epoch:
            raise Cancelled("the scene was cleared after this cloud arrived")

    def set_vocabulary(self, vocabulary):
        """Use another Vocabulary and relabel the current scene; the network does not run.

        Returns the new LabelSpace, with the next revision.
        """
        embeddings = self.embedder.embed(vocabulary.texts)
        others = self._others(vocabulary, embeddings)
        with self.store.lock:
            revision = self.space.revision + 1 if self.space else 1
            parts = self.similarity, revision, self.cosine_baseline, self.calibration, fusion_rule(self.config.names)
            self.space = LabelSpace(vocabulary, embeddings, *parts, others)
            self.store.relabel(self.space)
            return self.space

    def _others(self, vocabulary, embeddings):
        """Things that no label names, or None; a calibration needs them, as it was measured with many labels."""
        if self.calibration is None or not self.config.vocabulary.other_things:
            return None
        return other_things(self._things, vocabulary.texts, embeddings, self.cosine_baseline)

    def clear(self):
        """Drop the scene and discard the result of a running `process`. Returns the old Scene, or None."""
        with self.store.lock:
            scene = self.scene
            self.store.clear()
            self.graphs.forget()
            self._layouts = LayoutFinder()
            self.segmenter.forget()
            return scene

    def reset(self):
        """As `clear`; ids and revisions also start again, as in a new Pipeline."""
        with self.store.lock:
            self.clear()
            self.store.reset()

    @property
    def model(self):
        """The ModelIdentity of the network and the text model in use."""
        return ModelIdentity(self.segmenter.model_name, self.segmenter.model_sha256, str(self.embedder.model_id))

    def save(self, path):
        """Write the last complete scene to a file, atomically. Returns (Scene, number of bytes).

        Raises StorageError NO_MAP_YET or WRITE_FAILED; an existing file is then kept.
        """
        snapshot = self.require_snapshot()
        return snapshot.scene, snapshot.write(path)

    def require_snapshot(self):
        """The last complete scene as a Snapshot. Raises StorageError NO_MAP_YET without one."""
        snapshot = self.snapshot()
        if snapshot is None:
            raise StorageError("NO_MAP_YET", "there is no scene to save yet")
        return snapshot

    def snapshot(self):
        """The last complete scene as a Snapshot, or None without one."""
        with self.store.lock:
            scene, saved = self.store.complete, self.store.export(self.model)
        if saved is None:
            return None
        return Snapshot(scene, replace(saved, input_scale=self.config.input.input_scale), self.graphs)

    def load(self, path, map_id="", frame_id=""):
        """Make the scene of a file the current one, labelled with the current vocabulary. Returns the Scene.

        map_id: the expected map; empty: the setting map_id, if any;
        frame_id: the expected frame; empty: the setting load_frame, else the frame of the current scene, if any.

        The scene has a remark for each setting of the input that was another one when it was saved. Raises StorageError
        with the codes of `read_scene` and `check_expected`; the current scene is then kept.
        """
        saved = read_scene(path)
        with self.store.lock:
            frame_id = frame_id or self.config.storage.load_frame or (self.scene.frame_id if self.scene else "")
            check_expected(saved, path, self.model, map_id or self.config.scene.map_id, frame_id)
            layout = read_layout(saved.layout, path)
            scene = self.store.restore(saved, self.space, _changed_settings(saved, self.config.input))
            self.graphs.restore(scene, layout)
            return scene

    def cancel(self):
        """Stop a running `process` soon. May be called from any thread."""
        self.segmenter.cancel()

    def facts(self):
        """Backend, device, precision and text model, for the log and the diagnostics: dict of str."""
        return {**self.segmenter.facts(), "text_model": str(self.embedder.model_id)}

    def embed(self, texts):
        """Dict of text -> [C] float32 unit vector."""
        return dict(zip(texts, self.embedder.embed(texts)))

    def find(self, query, scene):
        """The Answer to an ObjectQuery on a snapshot of the scene."""
        return self.find_all([query], scene)[0]

    def find_all(self, queries, scene):
        """The Answers to several ObjectQueries on one snapshot; their texts are embedded in one batch."""
        vectors = self.embed(tuple(dict.fromkeys(text for query in queries for text in query.texts)))
        return [find_objects(scene, query, vectors) for query in queries]

    def _room_table(self):
        """The names of rooms of the vocabulary file with their labels. A file is read once, not for every question."""
        path, known = self.config.vocabulary.vocabulary_file, self._rooms
        if known is None or known[0] != path:
            known = self._rooms = path, read_vocabulary_file(path)["rooms"]
        return known[1]

    def graph(self, scene):
        """The SceneGraph of a snapshot of the scene. Made when it is first asked for, which takes a while."""
        return self.graphs.graph(scene)

    def background_of(self, scene):
        """The function `background` of `label_points` for a Scene, None without label_background."""
        if not self.config.output.label_background:
            return None
        names = scene.space.vocabulary.names
        rows = np.array([*(names.index(name) if name in names else -1 for name in SURFACES), -1])
        return lambda xyz: rows[surface_of(self.graphs.layout(scene), xyz)]

    def _find_layout(self, scene):
        """The Layout of a scene; empty if it cannot be found, so that the objects remain."""
        try:
            return self._layouts.find(scene.cloud, scene.published(self.config.postprocess))
        except (SpaceformerError, ValueError, ArithmeticError, LookupError, ShapelyError) as error:
            logger.error("the layout was not found (%s: %s)", type(error).__name__, error)
            return Layout()

    def ask(self, asked, scene, wait=True):
        """The RelatedAnswers to several Asked on one snapshot; their texts are embedded in one batch.

        wait: False: questions that need no rooms and relations do not wait for the scene graph of a new scene; until it
            is made, their matches are without them.
        """
        names = {name.lower() for name in (*self._room_table(), *(name for _, name in scene.room_names))}
        questions = [one.question(scene, names) for one in asked]
        graph = self.graphs.ready(scene)
        if graph is None:
            needed = wait or not all(question.is_plain for question in questions)
            graph = self.graph(scene) if needed else empty_graph(scene)
        texts = (text for one, question in zip(asked, questions) for text in texts_of(one, question))
        vectors = self.embed(tuple(dict.fromkeys(texts)))
        return [answer(scene, graph, one, question, vectors) for one, question in zip(asked, questions)]

    def edit(self, request, stamp_ns=0):
        """Apply an EditRequest to the scene, all or nothing. Returns (Scene, ids that changed).

        stamp_ns: time of the edit. Raises EditError and SpaceformerError.
        """
        vector = self.embed((request.label,))[request.label] if request.label else None
        if request.operation == NAME_ROOM and self.scene is not None:
            rooms = {room.number for room in self.graph(self.scene).of_kind(ROOM)}
            if not rooms.issuperset(request.ids):
                known = ", ".join(map(str, sorted(rooms))) or "none"
                raise EditError("NOT_FOUND", f"there is no room {request.ids[0]}: rooms have the numbers {known}")
        return self.store.edit(request, vector, stamp_ns)

    def add_sightings(self, sightings):
        """Count Sightings of objects by detectors in an image. Returns the Scene if labels changed, else None."""
        return self.store.amend(lambda scene: with_sightings(scene, sightings)) if sightings else None

    def add_presence(self, presence):
        """Count what a depth image says of objects, a Presence. Returns the Scene if a state changed, else None."""
        fade_views = self.config.scene.fade_views
        return self.store.amend(lambda scene: with_presence(scene, presence, fade_views)) if presence else None

    def add_thumbnails(self, thumbnails):
        """Keep pictures of objects. thumbnails: dict id -> Thumbnail."""
        self.store.amend(lambda scene: with_thumbnails(scene, thumbnails))

    def propose(self, proposal):
        """Add an object for a Proposal of detectors. Returns the Scene if there is one now, else None."""
        vector = self.embed((proposal.word,))[proposal.word]
        return self.store.amend(lambda scene: with_proposal(scene, proposal, vector, self.store.new_id))

    def relevancy(self, text, scene):
        """[N] float32 relevancy of each point of a snapshot's cloud for a text (see `point_relevancy`)."""
        query = ObjectQuery(text)
        return point_relevancy(scene, rank(scene, text, self.embed(query.texts)))

    def mask_heat(self, object_id, scene):
        """[N] float32 in [0, 1]: the probability that each point of a snapshot's cloud belongs to an object.

        The network runs: call it on the thread that owns the device. Raises SpaceformerError without such an object.
        """
        item = scene.find_id(object_id)
        if item is None:
            raise SpaceformerError(f"no object with id {object_id} in map revision {scene.map_revision}")
        return self.segmenter.mask_heat(scene.cloud, self.config, scene.instances.point_mask(item.row))


def _changed_settings(saved, config):
    """A sentence for each setting of an InputConfig that places the points of clouds otherwise than a SavedScene's."""
    pairs = (("input_up", saved.cloud.up, config.input_up), ("input_scale", saved.input_scale, config.input_scale))
    return tuple(
        f"the loaded scene was made with {name} {before}, now it is {now}: the next cloud will not fit it; set {name} "
        f"to {before}, or call ~/clear"
        for name, before, now in pairs
        if before != now
    )


def build_pipeline(config, on_progress=None):
    """The Pipeline of a Config, with network, text model and vocabulary loaded.

    config: Config, or Settings that change at run time;
    on_progress: called with a sentence before each slow step.
    """
    from .segment.segmenter import Segmenter
    from .weights.checkpoint import load_checkpoint
    from .weights.download import released_file

    on_progress = on_progress or Observer().on_progress
    settings = Settings.of(config)
    config = settings.config
    on_progress(f"loading checkpoint {config.model.checkpoint}")
    checkpoint = load_checkpoint(config.model.checkpoint, released_file(cache_folder(config.model)))
    similarity = checkpoint.similarity_for(config.model.similarity)
    segmenter = Segmenter(checkpoint, config.model)
    on_progress(f"embedding the vocabulary with text model {config.model.text_model or checkpoint.text_model}")
    embedder = build_embedder(config, checkpoint.text_model)
    calibration = checkpoint.calibration_for(similarity)
    pipeline = Pipeline(segmenter, embedder, similarity, settings, calibration)
    if config.model.warm_up:
        on_progress("warming up the network")
        segmenter.warm_up()
    return pipeline


def fusion_rule(names):
    """The FusionRule of a NamesConfig."""
    return FusionRule(
        inside=names.text_weight_known,
        outside=names.text_weight_unknown,
        min_detections=names.min_detections,
        min_share=names.min_detection_share,
        min_margin=names.min_detection_margin,
    )


def build_embedder(config, text_model):
    """The PromptEmbedder of a Config, for the TextModelId of a checkpoint; weights are loaded with the first new text.

    Raises SpaceformerError if the text model is not there.
    """
    from .segment.backends import choose_device, choose_precision
    from .words.embedding_cache import CACHE_FILE
    from .words.text_model import PromptEmbedder, load_text_encoder

    model, cache = config.model, cache_folder(config.model)
    device = choose_device(model.text_device, "text_device")
    encoder = load_text_encoder(
        model.text_model,
        text_model,
        cache,
        model.offline,
        device=device,
        precision=str(choose_precision(model.text_precision, device)).removeprefix("torch."),
        idle_timeout=model.text_idle_timeout,
    )
    templates = read_vocabulary_file(config.vocabulary.vocabulary_file)["templates"]
    return PromptEmbedder(encoder, templates, cache / CACHE_FILE)


def baseline_texts():
    """Names of different things, from which the CosineBaseline of a text model is measured."""
    return Vocabulary.parse(read_vocabulary_file()["labels"]).names


def texts_at_start(config):
    """All texts that a Pipeline of a Config embeds when it is built; where they are cached, no text model is loaded."""
    return (*baseline_texts(), *vocabulary_of(config.vocabulary).texts)
