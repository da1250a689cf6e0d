# SPDX-License-Identifier: Apache-2.0
"""Service handlers with side effects: vocabulary, scene, files, enabling.

Each is `async handler(session, request, response)`; see `services`. Blocking work runs on a pool thread.
"""

import math

from .. import SpaceformerError
from ..scene.data_dir import scene_path
from ..words.vocabulary import Vocabulary
from .embedding import embed_in_batches
from .limits import DISK_SECONDS
from .refusal import Refusal

MAX_TIMEOUT = 86400.0  # seconds of a SegmentNow request


async def set_vocabulary(session, request, response):
    """Replace the vocabulary; objects are relabelled without running the network."""
    pipeline = session.perception.require_pipeline()
    labels, background = pipeline.space.vocabulary.entries()
    labels = [*labels, *request.labels] if request.append else list(request.labels)
    vocabulary = Vocabulary.parse(labels, list(request.background_labels) or background)
    await embed_in_batches(session, pipeline.embedder, list(vocabulary.texts))
    try:
        space = await session.background.run(session.perception.set_vocabulary, vocabulary, lane="settings")
    finally:  # also if the new vocabulary is in use but could not be published
        session.live_parameters.report_vocabulary(pipeline.space.vocabulary)
    response.revision, response.active_labels = space.revision, list(space.vocabulary.labels)
    response.message = f"{len(space.vocabulary.labels)} labels in use, revision {space.revision}"


async def segment_now(session, request, response):
    """Run the network on the newest cloud."""
    session.require_active()
    pipeline = session.perception.require_pipeline()
    if not (math.isfinite(request.timeout) and 0 <= request.timeout <= MAX_TIMEOUT):
        raise SpaceformerError(f"timeout is {request.timeout}, expected 0 to {MAX_TIMEOUT:g} s")
    if pipeline.scene:
        response.map_revision = pipeline.scene.map_revision
    work = session.perception.segment_latest()
    if not request.wait:
        response.message = "started; the result will be published"
        return
    try:
        scene = await session.background.wrap(work, request.timeout or None)
    except TimeoutError:
        text = f"still running after {request.timeout:g} s; the result will be published"
        raise Refusal("TIMEOUT", text) from None
    except SpaceformerError as error:
        raise Refusal("INTERNAL_ERROR", str(error)) from error
    response.map_revision = scene.map_revision
    response.num_instances = len(scene.published(session.settings.config.postprocess))
    response.message = f"{response.num_instances} instances, map revision {scene.map_revision}"


async def save(session, request, response):
    """Save the current scene to a file; also while the node is not active."""
    pipeline = session.perception.require_pipeline()
    path = await _scene_path(session, request, response)
    scene, response.num_bytes, remark = await _on_disk(session, session.storage.save, pipeline, path)
    response.map_revision, response.num_objects = scene.map_revision, len(scene.objects)
    response.message = f"{len(scene.objects)} objects, map revision {scene.map_revision}, saved to {path}{remark}"


async def load(session, request, response):
    """Replace the scene by a saved one; also while the node is not active."""
    session.perception.require_pipeline()
    path = await _scene_path(session, request, response)
    frame_id = request.frame_id.lstrip("/")  # as of clouds
    scene = await _on_disk(session, session.perception.load_scene, path, request.map_id, frame_id)
    response.saved_map_id, response.saved_frame_id = scene.map_id, scene.frame_id
    response.map_revision, response.num_objects = scene.map_revision, len(scene.objects)
    response.message = f"{len(scene.objects)} objects of map {scene.map_id!r} loaded from {path}"


async def _scene_path(session, request, response):
    """The path of a request, also put into its response. Raises StorageError PATH_REFUSED."""
    path = await _on_disk(session, scene_path, request.path, session.settings.config.storage)
    response.path = str(path)
    return path


async def _on_disk(session, function, *arguments):
    """The result of a function that writes or reads files. Raises Refusal TIMEOUT if a disk hangs; it then goes on."""
    try:
        return await session.background.run(function, *arguments, lane="files", timeout=DISK_SECONDS)
    except TimeoutError:
        text = f"not done within {DISK_SECONDS:g} s: check the disk. It goes on, and may still take effect"
        raise Refusal("TIMEOUT", text) from None


async def clear(session, _request, response):
    """Drop the scene; the vocabulary and the ids already used stay."""
    session.clear_scene()
    response.message = "the scene is empty until the next cloud"


async def set_enabled(session, request, response):
    """Process clouds or ignore them; queries keep working."""
    session.set_enabled(request.data)
    response.message = "clouds are processed" if request.data else "clouds are ignored"
