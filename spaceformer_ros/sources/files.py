# SPDX-License-Identifier: Apache-2.0
"""Maps in files: clouds, which are segmented when they are opened, and saved scenes."""

import pathlib
import threading
import time

import numpy as np

from .. import SpaceformerError
from ..clouds.files import MAP_SUFFIXES, RESULT, clouds_in, read_cloud
from ..graph.answer import asked_as
from ..graph.formats import graph_dict
from ..scene.approach import first_approach
from ..scene.data_dir import SUFFIX
from ..scene.edit_request import EditRequest
from ..scene.find import summary
from ..words.vocabulary import Vocabulary
from .snapshot import Finding, Findings, MapObject, Snapshot
from .source import NoMapYet, Source


def map_files(path):
    """Paths of the maps at a path: the file itself, or the clouds and saved scenes in a folder, sorted.

    Where a folder has the scene of a map, its cloud and the clouds that `spaceformer segment` made of it are left out.
    Raises SpaceformerError if there is none.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        found = sorted([*clouds_in(path), *(p for p in path.iterdir() if p.suffix.lower() == SUFFIX)])
    else:
        found = [path]
    if not found:
        raise SpaceformerError(f"{path} has no file with one of the suffixes {', '.join((*MAP_SUFFIXES, SUFFIX))}")
    scenes = {p.stem for p in found if p.suffix.lower() == SUFFIX}
    return [p for p in found if p.suffix.lower() == SUFFIX or RESULT.sub("", p.stem) not in scenes]


class FileSource(Source):
    """The maps of one file or folder; one of them is open, for all who ask."""

    def __init__(self, pipeline, paths=(), up="z", observer=None):
        """Opens no map; without paths, the pipeline has a scene already.

        pipeline: Pipeline
        paths: of the maps, see `map_files`
        up: axis of clouds in files that points up, a key of UPRIGHT
        observer: Observer of the pipeline's progress
        """
        self._pipeline = pipeline
        self._paths = {path.name: path for path in paths}
        self._up = up
        self._observer = observer
        self._lock = threading.Lock()  # held while a map is opened
        self._snapshot, self._graph = None, (None, None)
        self._status = "no map is open" if paths else ""
        self.maps = tuple(self._paths)

    def choose(self, name):
        """Open a map: segment a cloud, load a saved scene. Returns the remarks about it, a tuple of sentences."""
        if name not in self._paths:
            raise SpaceformerError(f"there is no map {name!r} here, only {', '.join(self.maps)}")
        with self._lock:
            self._status = f"opening {name}"
            try:
                remarks = self._open(self._paths[name])
                self.graph()  # takes a while, which the first visitor should not wait
            except SpaceformerError as error:
                self._status = f"{name} cannot be opened: {error}"
                raise
            self.chosen, self._status = name, ""
            return remarks

    def _open(self, path):
        if path.suffix == SUFFIX:
            self._pipeline.load(path)
            return ()
        config = self._pipeline.config.input
        cloud = read_cloud(path, config.allow_gray, config.input_scale).cloud.turned(self._up)
        self._pipeline.clear()
        return self._pipeline.process(cloud, observer=self._observer).remarks

    def status(self):
        """What is being opened, or the number of objects in what is open."""
        if self._status:
            return self._status
        return f"{len(self.snapshot().objects)} objects{f' in {self.chosen}' if self.chosen else ''}"

    def snapshot(self):
        """The Snapshot of the open map."""
        return self._current()[1]

    def _current(self):
        """(Scene, Snapshot) that belong together. Raises NoMapYet."""
        scene, known = self._pipeline.scene, self._snapshot
        if scene is None:
            raise NoMapYet(self._status)
        if known is None or known[0] is not scene:
            known = scene, snapshot_of(scene, self._pipeline.config.postprocess)
            self._snapshot = known
        return known

    def find(self, question):
        """Matches among the published objects, each with an approach pose where there is free floor."""
        scene, snapshot = self._current()
        config = self._pipeline.config.scene
        limits = {"min_score": config.min_match_score, "min_confidence": config.min_match_confidence}
        (answer,) = self._pipeline.ask(asked_as([question.query], question, config, **limits), scene)
        found = tuple(
            Finding(
                snapshot.by_id.get(match.object.id) or map_object(scene, match.object),
                match.score,
                approach=_approach(scene, match.object.box, config),
                confidence=match.confidence,
            )
            for match in answer.matches
        )
        return Findings(question, found, "; ".join([summary([answer]), *answer.remarks]))

    def relevancy(self, text):
        """Relevancy of the points for a text."""
        scene, snapshot = self._current()
        return snapshot, self._pipeline.relevancy(text, scene)

    def graph(self):
        """The scene graph of the open map."""
        graph = self._pipeline.graph(self._current()[0])
        if self._graph[0] is not graph:
            self._graph = graph, graph_dict(graph)
        return self._graph[1]

    def edit(self, operation, ids=(), label=""):
        """Correct the open map; nothing is written to its file."""
        self._pipeline.edit(EditRequest(operation, tuple(ids), label), time.time_ns())
        return self._pipeline.store.history[-1].text

    def set_vocabulary(self, labels, append=False):
        """Relabel the open map; the network does not run."""
        current, background = self._pipeline.space.vocabulary.entries()
        space = self._pipeline.set_vocabulary(Vocabulary.parse([*current, *labels] if append else labels, background))
        return f"{len(space.vocabulary.labels)} labels in use"


def snapshot_of(scene, limits):
    """The Snapshot of a Scene with the objects that are published. limits: PostprocessConfig."""
    shown = scene.published(limits)
    owner = scene.point_owner(shown)
    ids = [*(item.id for item in shown), 0]  # the last one for points without an object, whose owner is -1
    return Snapshot(
        cloud=scene.cloud,
        owner=np.array(ids, dtype=np.int64)[owner],
        objects=tuple(map_object(scene, item) for item in shown),
        labels=tuple(scene.space.vocabulary.entries()[0]),
        map_id=scene.map_id,
        map_revision=scene.map_revision,
        vocabulary_revision=scene.space.revision,
        partial=scene.partial,
    )


def map_object(scene, item):
    """The MapObject of a SceneObject of a Scene."""
    return MapObject(
        id=item.id,
        label=item.label,
        score=float(item.score),
        candidates=item.runners_up,
        box=item.box,
        num_points=item.num_points,
        num_observations=item.num_observations,
        first_seen_ns=item.first_seen_ns,
        last_seen_ns=item.last_seen_ns,
        confidence=scene.confidence(item),
    )


def _approach(scene, box, config):
    """The Approach to a box, or None. config: SceneConfig."""
    return first_approach(scene.cloud.xyz, [box], config.approach_standoff, config.robot_footprint)
