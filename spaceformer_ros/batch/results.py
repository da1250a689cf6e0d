# SPDX-License-Identifier: Apache-2.0
"""Result files of `spaceformer segment` for one map: objects as JSON, labelled cloud, pictures, answers to texts."""

import json
import math
import pathlib

from ..clouds.files import write_cloud
from ..evaluation.answers import read_texts
from ..scene.approach import first_approach
from ..scene.data_dir import SUFFIX
from ..scene.find import ObjectQuery
from ..show.labeled_cloud import label_points
from ..show.pictures import VIEWS, draw_answer, draw_scene
from ..show.relevancy import color_points


def write_results(folder, stem, pipeline, scene, shown, pictures=True, texts="", saved=False):
    """Write <stem>.json, <stem>_labeled.ply and, if requested, pictures, <stem>_answers.json and the scene file
    <stem>.safetensors into a folder.

    scene: Scene
    shown: its published objects
    texts: JSON file whose keys are texts, or ""

    Raises SpaceformerError if the texts cannot be read, or the scene cannot be saved.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.json").write_text(json.dumps([object_facts(scene, item) for item in shown], indent=1))
    _, columns = label_points(scene, shown, "original", background=pipeline.background_of(scene))
    write_cloud(folder / f"{stem}_labeled.ply", scene.cloud, columns)
    for view in VIEWS if pictures else ():
        draw_scene(folder / f"{stem}_{view}_colors.png", scene.cloud, view=view, title=f"{stem}, {view} view")
        title = f"{stem}: {len(shown)} objects, {view} view"
        draw_scene(folder / f"{stem}_{view}_instances.png", scene.cloud, shown, view, title)
    if texts:
        answers = answer_texts(read_texts(pathlib.Path(texts)), pipeline, scene, shown)
        (folder / f"{stem}_answers.json").write_text(json.dumps(answers, indent=1))
    if saved:
        pipeline.save(folder / f"{stem}{SUFFIX}")


def write_heat(path, pipeline, scene, object_id):
    """Write the cloud, coloured by the probability that each point belongs to an object, which is its field `heat`.

    The network runs again. Raises SpaceformerError without such an object.
    """
    heat = pipeline.mask_heat(object_id, scene)
    cloud, _ = color_points(scene.cloud, heat, top=1.0)
    write_cloud(path, cloud, {"heat": heat})


def answer_texts(texts, pipeline, scene, shown):
    """Dict text -> dict of id -> score of the shown objects, best first."""
    ids, count = {item.id for item in shown}, max(len(scene.objects), 1)
    queries = [ObjectQuery(text, max_results=count, min_score=0.0) for text in texts]
    return {
        query.text: {match.object.id: match.score for match in answer.matches if match.object.id in ids}
        for query, answer in zip(queries, pipeline.find_all(queries, scene))
    }


def object_facts(scene, item):
    """A SceneObject of a Scene as plain values for JSON: metres, radians, the cloud's frame."""
    box, confidence = scene.box_in_frame(item), scene.confidence(item)
    return {
        "id": item.id,
        "label": item.label,
        "score": round(item.score, 4),
        "confidence": None if math.isnan(confidence) else round(confidence, 4),
        "label_score": round(item.label_score, 4),
        "objectness": round(item.objectness, 4),
        "mask_score": round(item.mask_score, 4),
        "center": [round(float(v), 4) for v in box.center],
        "size": [round(float(v), 4) for v in box.size],
        "yaw": round(box.yaw, 4),
        "num_points": item.num_points,
    }


def write_answer(path, scene, answer, config):
    """Write a PNG of an Answer, with the approach pose of its first match that has one. config: a SceneConfig."""
    boxes = (match.object.box for match in answer.matches)
    approach = first_approach(scene.cloud.xyz, boxes, config.approach_standoff, config.robot_footprint)
    draw_answer(path, scene, answer, approach)
