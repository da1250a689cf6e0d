"""The whole story on one screen: a cloud comes in, a scene of named objects goes out.

No ROS here. `build_pipeline` puts the parts together; the node and the command line only call this module.
"""

import functools
import logging
import threading
import time
from dataclasses import dataclass

import numpy as np

from . import Cancelled, StorageError
from .clouds.cloud import select_points
from .config import Config
from .disk.paths import cache_folder
from .scene.file import check_expected, read_scene, write_scene
from .scene.find import ObjectQuery, find_objects, rank
from .scene.objects import Scene
from .scene.saved_scene import ModelIdentity
from .scene.store import SceneStore
from .show.relevancy import point_relevancy
from .words.label_space import LabelSpace
from .words.similarity import CosineBaseline
from .words.vocabulary import Vocabulary
from .words.vocabulary_file import read_vocabulary_file, vocabulary_of

logger = logging.getLogger(__name__)

PARTIAL_SHARE = 0.2  # of an inference's time that partial scenes may take


@dataclass(frozen=True)
class Outcome:
    """Result of one cloud: the scene, seconds per stage, remarks that the user should see, and how many tiles the map
    has (1: in one piece) and how many of them ran."""

    scene: Scene
    seconds: dict
    remarks: tuple = ()
    tiles: int = 1
    tiles_computed: int = 1


class Pipeline:
    """Clouds to scenes, vocabulary changes, and answers.

    `process` belongs to one thread (it owns the device). `set_vocabulary`, `embed`, `find`, `save` and `load` may be
    called from others while it runs: they touch only the text model and immutable snapshots.
    """

    def __init__(self, segmenter, embedder, similarity, config=None):
        """segmenter: has segment(cloud, Config, stopwatch, progress, show), report, forget(); embedder:
        PromptEmbedder."""
        self.segmenter, self.embedder, self.similarity = segmenter, embedder, similarity
        self.config = config or Config()
        self.store = SceneStore()
        self.clears = 0  # how often the scene was forgotten
        self._labels_lock = threading.Lock()
        self.space = None
        self.cosine_baseline = CosineBaseline.measure(
            embedder.embed(Vocabulary.parse(read_vocabulary_file()["labels"]).names)
        )
        self.set_vocabulary(vocabulary_of(self.config.vocabulary))

    @property
    def scene(self):
        """The current Scene, perhaps a partial one, or None."""
        return self.store.scene

    @property
    def is_partial(self):
        """Whether the current Scene is a partial one. Between two calls of `process`: the last has failed."""
        return self.scene is not None and self.scene.partial

    def process(self, cloud, stopwatch, say=lambda text: None, clears=None, show=None):
        """Segment, label and remember one Cloud: an Outcome. Raises SpaceformerError and keeps the old scene.

        say: called with a sentence at the start and before every tile of a large map; clears: what `clears` was when
        the cloud came (None: now); a cloud from before the last `clear` raises Cancelled; show: called with a partial
        Scene after tiles of a large map, now and then, if publish_partial is set.
        """
        clears = self.clears if clears is None else clears
        self._require_uncleared(clears)
        cloud, remarks = select_points(cloud, self.config.input)
        text = f"segmenting {len(cloud)} points"
        say(text)
        progress = lambda number, count: say(f"{text}: tile {number} of {count}")  # noqa: E731
        update = functools.partial(self._update, cloud, stopwatch, clears)
        partly = self._partly(update, show) if show else None
        instances = self.segmenter.segment(cloud, self.config, stopwatch, progress, partly)
        report = self.segmenter.report
        scene = update(instances)
        return Outcome(scene, dict(stopwatch.seconds), (*remarks, *report.remarks), report.tiles, report.computed)

    def _update(self, cloud, stopwatch, clears, instances, partial=False):
        with stopwatch.stage("label"), self._labels_lock:
            self._require_uncleared(clears)
            config = self.config.scene
            return self.store.update(cloud, instances, self.space, config, config.map_id, partial)

    def _partly(self, update, show):
        """What the segmenter calls with a function that gives the instances so far: shows a scene of them, unless that
        would take more than PARTIAL_SHARE of the time."""
        rest = 0.0  # time.monotonic() before which nothing is shown

        def partly(instances):
            nonlocal rest
            start = time.monotonic()
            if self.config.tiling.publish_partial and start >= rest:
                show(update(instances(), partial=True))
                end = time.monotonic()
                rest = end + (end - start) * (1 / PARTIAL_SHARE - 1)

        return partly

    def _require_uncleared(self, clears):
        if self.clears != clears:
            raise Cancelled("the scene was cleared after this cloud came")

    def set_vocabulary(self, vocabulary):
        """Use another Vocabulary from now on and relabel the current scene; the network does not run.

        Returns the new LabelSpace, its revision one higher.
        """
        embeddings = self.embedder.embed(vocabulary.texts)
        with self._labels_lock:
            revision = self.space.revision + 1 if self.space else 1
            self.space = LabelSpace(vocabulary, embeddings, self.similarity, revision, self.cosine_baseline)
            self.store.relabel(self.space)
            return self.space

    def clear(self):
        """Forget the scene, and what a running `process` will find. Returns the Scene that was there, or None."""
        with self._labels_lock:
            scene = self.store.scene
            self.store.clear()
            self.clears += 1
            self.segmenter.forget()
            return scene

    @property
    def model(self):
        """The ModelIdentity of the network and the text model in use."""
        return ModelIdentity(self.segmenter.model_name, self.segmenter.model_sha256, str(self.embedder.model_id))

    def save(self, path):
        """Put the newest complete scene in the place of a file, in one step. Returns (Scene, number of bytes).

        Raises StorageError NO_MAP_YET or WRITE_FAILED; the file that was there stays then.
        """
        with self._labels_lock:
            scene, saved = self.store.complete, self.store.export(self.model)
        if saved is None:
            raise StorageError("NO_MAP_YET", "there is no scene to save yet")
        return scene, write_scene(path, saved)

    def load(self, path, map_id="", frame_id=""):
        """Make the scene of a file the current one, labelled by the present vocabulary. Returns the Scene.

        map_id: what its map must be called, empty: the setting map_id; frame_id: what its frame must be, empty: the
        setting load_frame, or else the frame of the current scene. Where both are empty, any will do. Raises
        StorageError, with its codes of `read_scene` and `check_expected`, and keeps the current scene.
        """
        saved = read_scene(path)
        with self._labels_lock:
            frame_id = frame_id or self.config.storage.load_frame or (self.scene.frame_id if self.scene else "")
            check_expected(saved, path, self.model, map_id or self.config.scene.map_id, frame_id)
            return self.store.restore(saved, self.space)

    def cancel(self):
        """Break off a running `process` soon."""
        self.segmenter.cancel()

    def facts(self):
        """What runs where, for the log and the diagnostics: dict of str."""
        return {**self.segmenter.facts(), "text_model": str(self.embedder.model_id)}

    def embed(self, texts):
        """Dict text -> [C] float32 unit vector."""
        return dict(zip(texts, self.embedder.embed(texts)))

    def find(self, query, scene):
        """The Answer to an ObjectQuery on a snapshot of the scene."""
        return self.find_all([query], scene)[0]

    def find_all(self, queries, scene):
        """The Answers to several on one snapshot; all their texts go through the text model together."""
        vectors = self.embed(tuple(dict.fromkeys(text for query in queries for text in query.texts)))
        return [find_objects(scene, query, vectors) for query in queries]

    def relevancy(self, text, scene):
        """[N] float32: how well a text fits each point of a snapshot's cloud (see `point_relevancy`)."""
        query = ObjectQuery(text)
        return point_relevancy(scene, rank(scene, text, self.embed(query.texts)))


def build_pipeline(config, progress=lambda text: None):
    """Load everything that a Config names. progress: called with a sentence before every slow step."""
    from .segment.segmenter import Segmenter
    from .weights.checkpoint import load_checkpoint
    from .weights.download import released_file
    from .words.embedding_cache import CACHE_FILE
    from .words.text_model import PromptEmbedder, load_text_encoder

    cache = cache_folder(config.model)
    progress(f"loading checkpoint {config.model.checkpoint}")
    checkpoint = load_checkpoint(config.model.checkpoint, released_file(cache))
    segmenter = Segmenter(checkpoint, config.model)
    progress(f"loading text model {config.model.text_model or checkpoint.text_model}")
    encoder = load_text_encoder(config.model.text_model, checkpoint.text_model, cache, config.model.offline)
    templates = read_vocabulary_file(config.vocabulary.vocabulary_file)["templates"]
    embedder = PromptEmbedder(encoder, templates, cache / CACHE_FILE)
    progress("embedding the vocabulary")
    pipeline = Pipeline(segmenter, embedder, checkpoint.similarity, config)
    if config.model.warm_up:
        progress("warming up the network")
        warm_up(segmenter)
    return pipeline


def warm_up(segmenter):
    """Run the network once on a made-up wall, so that the first real cloud does not pay for first-time work."""
    from .clouds.cloud import Cloud

    start = time.perf_counter()
    rng = np.random.default_rng(0)
    xyz = rng.uniform((0, 0, 0), (3.0, 0.1, 2.0), (20_000, 3)).astype(np.float32)
    rgb = rng.integers(0, 256, xyz.shape, dtype=np.uint8)
    segmenter.segment(Cloud(xyz, rgb), Config())
    logger.info("warm-up took %.1f s", time.perf_counter() - start)
