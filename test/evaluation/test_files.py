# SPDX-License-Identifier: Apache-2.0
"""Input files of `spaceformer evaluate`: PLY, NPZ and ScanNet's text format, alone and in folders."""

import json
import re

import numpy as np
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.cloud import Cloud
from spaceformer_ros.clouds.files import write_cloud
from spaceformer_ros.evaluation import evaluate_files
from spaceformer_ros.evaluation.classes import ONE_CLASS, Classes, read_classes
from spaceformer_ros.evaluation.files import read_sample
from spaceformer_ros.evaluation.scannet import read_numbers, read_prediction, read_truth

N = 600  # points: a chair (0-199), a table (200-399), a wall (400-499), nothing annotated (500-599)
VALUES = np.repeat([5001, 7001, 1000, 0], [200, 200, 100, 100])  # ScanNet's ids: chair 5, table 7, wall 1


@pytest.fixture
def cloud(rng):
    return Cloud(rng.random((N, 3)).astype(np.float32), np.zeros((N, 3), dtype=np.uint8), "map", 0)


def write_truth(folder, name="scene0000_00", values=VALUES):
    folder.mkdir(exist_ok=True, parents=True)
    (folder / f"{name}.txt").write_text("\n".join(map(str, values)) + "\n")
    return folder / f"{name}.txt"


def write_prediction(folder, rows, name="scene0000_00", points=N):
    """rows: (start, stop, label id, confidence) of masks that are runs of points."""
    (folder / "masks").mkdir(exist_ok=True, parents=True)
    lines = []
    for i, (start, stop, label, confidence) in enumerate(rows):
        inside = (np.arange(points) >= start) & (np.arange(points) < stop)
        (folder / "masks" / f"{name}_{i}.txt").write_text("\n".join(map(str, inside.astype(int))))
        lines.append(f"masks/{name}_{i}.txt {label} {confidence}\n")
    (folder / f"{name}.txt").write_text("".join(lines))
    return folder / f"{name}.txt"


def test_scannet_text_is_read_as_written(tmp_path):
    truth = read_truth(write_truth(tmp_path / "gt"))
    assert truth.ids.tolist() == [1000, 5001, 7001]
    assert truth.classes == (1, 5, 7)
    assert [len(mask) for mask in truth.masks] == [100, 200, 200]
    assert np.array_equal(np.flatnonzero(truth.ignored), np.arange(500, N))
    found = read_prediction(write_prediction(tmp_path / "pred", [(0, 150, 5, 0.75)]), N)
    assert found.classes == (5,)
    assert found.scores.tolist() == [0.75]
    assert np.array_equal(found.masks[0], np.arange(150))


@pytest.mark.parametrize("text", ["0\n1\n1\n0\n", "0\n1\n1\n0", "0\r\n1\r\n1\r\n0\r\n", " 0\n 1\n1 \n0\n\n", "0 1 1 0"])
def test_integers_may_be_separated_by_any_blanks(tmp_path, text):
    (tmp_path / "mask.txt").write_bytes(text.encode())
    assert read_numbers(tmp_path / "mask.txt").tolist() == [0, 1, 1, 0]


def test_scannet_benchmark_classes_ignore_walls(tmp_path):
    truth = write_truth(tmp_path / "gt")
    # the chair is found; a "table" on the wall is neither right nor wrong, a "door" on the chair is wrong for doors,
    # which the ground truth does not have; class 99 is no class: chair 1, table 0
    rows = [(0, 200, 5, 0.9), (400, 500, 7, 0.8), (0, 200, 8, 0.7), (0, 200, 99, 1.0)]
    report = evaluate_files(write_prediction(tmp_path / "pred", rows), truth, labels="scannet")
    assert {name: row["AP"] for name, row in report.classes.items()} == {"chair": 1.0, "table": 0.0}
    # the points 0-199 are chair (0.9), not door (0.7), and what is no class does not hide them
    assert (report.classes["chair"]["IoU"], report.classes["table"]["IoU"]) == (1.0, 0.0)
    everything = evaluate_files(tmp_path / "pred", tmp_path / "gt")
    assert sorted(everything.classes) == ["1", "5", "7"]
    assert everything.summary["AP50"] == pytest.approx(1 / 3)


def test_classes_that_are_not_evaluated_are_ignored_area(tmp_path):
    (tmp_path / "labels.yaml").write_text("{5: chair}")
    chair, other = np.arange(N) < 200, (np.arange(N) >= 200) & (np.arange(N) < 400)
    found = {"masks": np.stack([other, chair]), "labels": np.array([5, 5]), "scores": np.array([0.9, 0.5])}
    np.savez(tmp_path / "pred.npz", **found)
    # an instance of another class, and points that are labelled without being an instance
    np.savez(tmp_path / "masks.npz", masks=np.stack([chair, other]), labels=np.array([5, 7]))
    np.savez(tmp_path / "points.npz", instance=np.where(chair, 1, -1), label=np.select([chair, other], [5, 7], 3))
    for truth in ("masks.npz", "points.npz"):
        report = evaluate_files(tmp_path / "pred.npz", tmp_path / truth, labels=tmp_path / "labels.yaml")
        assert (report.summary["AP"], report.summary["mIoU"]) == (1.0, 1.0), truth
    # the same as background that was annotated: a false positive with the higher score
    np.savez(tmp_path / "background.npz", masks=chair[None], labels=np.array([5]))
    report = evaluate_files(tmp_path / "pred.npz", tmp_path / "background.npz", labels=tmp_path / "labels.yaml")
    assert (report.summary["AP"], report.summary["mIoU"]) == (0.25, 0.5)


def test_labels_file_gives_names_synonyms_and_groups(tmp_path, cloud):
    (tmp_path / "labels.yaml").write_text(
        "classes: {5: 'chair|seat', 7: table, 9: lamp}\ngroups: {head: [seat], tail: [table, lamp]}\n"
    )
    np.savez(
        tmp_path / "scene.npz",
        masks=np.stack([np.arange(N) < 200, np.arange(N) >= 500]),
        labels=np.array(["Seat", "table"]),
        scores=np.array([0.5, 0.9]),
        xyz=cloud.xyz,
    )
    report = evaluate_files(
        tmp_path / "scene.npz", write_truth(tmp_path / "gt", "scene"), labels=tmp_path / "labels.yaml"
    )
    assert (report.groups["head"]["AP"], report.groups["tail"]["AP"]) == (1.0, 0.0)
    assert report.classes["chair"]["box F1@0.50"] == 1.0  # both boxes fitted to the same points


def test_a_prediction_compared_with_itself_is_perfect_in_every_format(tmp_path, cloud):
    instance, label = VALUES.copy(), VALUES // 1000
    instance[VALUES < 1001] = -1
    columns = {"instance": instance, "label": label.astype(np.int32), "score": np.full(N, 0.5, np.float32)}
    for suffix in (".ply", ".npz", ".pcd"):
        write_cloud(tmp_path / f"scene{suffix}", cloud, columns)
        report = evaluate_files(tmp_path / f"scene{suffix}", tmp_path / f"scene{suffix}")
        assert report.summary["AP"] == report.summary["box F1@0.50"] == 1.0
        assert sorted(report.classes) == ["1", "5", "7"]  # the wall has labelled points, but no instance
        assert np.isnan(report.classes["1"]["AP"])
        assert report.classes["1"]["IoU"] == report.summary["mAcc"] == 1.0
        scene = read_sample(tmp_path / f"scene{suffix}")
        assert scene.ids.tolist() == [5001, 7001]
        assert scene.scores.tolist() == [0.5, 0.5]


def test_json_beside_a_cloud_names_its_instances(tmp_path, cloud):
    """The JSON of `spaceformer segment`: ids from 1, labels as text, boxes; objects may have no points."""
    write_cloud(tmp_path / "map_labeled.ply", cloud, {"instance_id": np.repeat([0, 4, 2], 200).astype(np.uint32)})
    box = {"center": [0, 0, 0], "size": [1, 1, 1], "yaw": 0.5}
    rows = [{"id": i, "label": name, "score": 0.5, **box} for i, name in ((2, "chair"), (4, "sofa"), (9, "cup"))]
    (tmp_path / "map.json").write_text(json.dumps(rows))
    scene = read_sample(tmp_path / "map_labeled.ply")
    assert scene.ids.tolist() == [2, 4, 9]
    assert scene.classes == ("chair", "sofa", "cup")
    assert [len(mask) for mask in scene.masks] == [200, 200, 0]
    assert scene.boxes[1].yaw == 0.5
    rows.pop(0)
    (tmp_path / "map.json").write_text(json.dumps(rows))
    with pytest.raises(SpaceformerError, match="instance 2 is not among the objects"):
        read_sample(tmp_path / "map_labeled.ply")


@pytest.mark.slow
def test_generated_rooms_are_their_own_best_prediction(tmp_path):
    from spaceformer_ros.synthetic import KIND_NAMES, STRUCTURE, make_room, write_room

    room = make_room(3)
    write_room(room, tmp_path, "room_3")
    scene = read_sample(tmp_path / "room_3.ply")
    structure = np.isin(room.kind, [KIND_NAMES.index(name) for name in STRUCTURE])
    assert np.array_equal(scene.ignored, (room.instance < 0) & ~structure)
    assert 0 < np.count_nonzero(scene.ignored) < np.count_nonzero(room.instance < 0)
    report = evaluate_files(tmp_path, tmp_path, min_region=20)
    for figure in ("AP", "class-agnostic AP", "recall50", "box F1@0.50", "mIoU", "mAcc"):
        assert report.summary[figure] == pytest.approx(1.0), figure
    assert "wall" not in report.classes


def test_one_class_for_all_needs_no_names(tmp_path):
    instance = np.repeat([1, 2, -1], 200)
    np.savez(tmp_path / "pred.npz", instance=instance)
    truth = write_truth(tmp_path / "gt")
    with pytest.raises(SpaceformerError, match="no class of the predictions \\(object\\) is in the ground truth"):
        evaluate_files(tmp_path / "pred.npz", truth)
    report = evaluate_files(tmp_path / "pred.npz", truth, class_agnostic=True)
    assert list(report.classes) == [ONE_CLASS]
    assert report.summary["recall50"] == pytest.approx(2 / 3)  # chair and table, not the wall


# --- retrieval --------------------------------------------------------------------------------------------------------


def asked(tmp_path, answers, texts=None):
    """Success and ranks where chair (5001) and table (7001) were found as 0 and 1 and something in the wall as 2."""
    prediction = write_prediction(tmp_path / "pred", [(0, 200, 5, 0.9), (200, 400, 7, 0.9), (400, 420, 5, 0.9)])
    truth = write_truth(tmp_path / "gt")
    texts = texts or {"seat": [5001], "furniture": [5001, 7001], "thing to eat at": [7001]}
    (tmp_path / "gt" / "scene0000_00_texts.json").write_text(json.dumps(texts))
    if answers is not None:
        (tmp_path / "pred" / "scene0000_00_answers.json").write_text(json.dumps(answers))
    return evaluate_files(prediction, truth)


def test_answers_are_ranked_by_order_or_by_score(tmp_path):
    answers = {"seat": [0], "furniture": {"2": 0.9, "1": 0.5, "0": 0.1}, "thing to eat at": [], "more": [1]}
    report = asked(tmp_path, answers)
    assert report.texts == (
        ("scene0000_00", "seat", 1.0),
        ("scene0000_00", "furniture", 2.0),
        ("scene0000_00", "thing to eat at", np.inf),
    )
    assert report.summary["success@1"] == pytest.approx(1 / 3)
    assert report.summary["success@5"] == pytest.approx(2 / 3)


def test_answers_may_be_features(tmp_path):
    (tmp_path / "pred").mkdir()
    np.savez(
        tmp_path / "pred" / "scene0000_00_answers.npz",
        ids=np.array([2, 1, 0]),
        features=np.array([[3.0, 0.0], [0.0, 0.1], [1.0, 1.0]]),
        texts=np.array(["seat", "furniture", "thing to eat at"]),
        text_features=np.array([[1.0, 0.9], [1.0, 0.0], [0.0, 2.0]]),  # cosine: 0 first; 2 then 0; 1 first
    )
    report = asked(tmp_path, None)
    assert [rank for _, _, rank in report.texts] == [1.0, 2.0, 1.0]


def test_small_instances_are_not_queried(tmp_path):
    texts = {"seat": [5001, 7001], "furniture": [5001], "thing to eat at": [7001]}
    values = np.where(np.arange(N) < 350, VALUES, 7001)  # the table has 250 points, the chair 200
    write_truth(tmp_path / "gt", values=values)
    (tmp_path / "gt" / "scene0000_00_texts.json").write_text(json.dumps(texts))
    found = write_prediction(tmp_path / "pred", [(0, 200, 5, 0.9), (200, N, 7, 0.9)])
    (tmp_path / "pred" / "scene0000_00_answers.json").write_text(json.dumps({"seat": [0, 1], "thing to eat at": [1]}))
    report = evaluate_files(found, tmp_path / "gt" / "scene0000_00.txt", min_region=201)
    assert report.texts == (("scene0000_00", "seat", 2.0), ("scene0000_00", "thing to eat at", 1.0))


@pytest.mark.parametrize(
    ("answers", "texts", "words"),
    [
        ({"seat": [0]}, None, "has no entry 'furniture'"),
        ({"seat": [7]}, {"seat": [5001]}, "'seat' names instance 7, which is not in "),
        ({"seat": [0]}, {"seat": [1]}, "'seat' names instance 1, which is not in "),
        ({"seat": "all"}, {"seat": [5001]}, "expected a list of instance ids"),
        (["seat"], {"seat": [5001]}, "holds a list, expected"),
    ],
)
def test_answers_that_do_not_fit_are_refused(tmp_path, answers, texts, words):
    with pytest.raises(SpaceformerError, match=words):
        asked(tmp_path, answers, texts)


def test_texts_without_answers_are_not_evaluated_with_a_warning(tmp_path, caplog):
    assert asked(tmp_path, None, None).texts == ()
    assert re.search(r"retrieval is not evaluated: .*_texts.json exists, but not .*_answers.json", caplog.text)


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_folders_are_matched_by_scene(tmp_path):
    for name in ("a", "b"):
        write_truth(tmp_path / "gt", name)
        write_prediction(tmp_path / "pred", [(0, 200, 5, 0.9)], name)
    assert evaluate_files(tmp_path / "pred", tmp_path / "gt").summary["scenes"] == 2
    (tmp_path / "gt" / "b.txt").unlink()
    with pytest.raises(SpaceformerError, match=r"scene 'b' is in .*pred but not in .*gt"):
        evaluate_files(tmp_path / "pred", tmp_path / "gt")
    np.savez(tmp_path / "gt" / "a.npz", instance=VALUES)
    with pytest.raises(SpaceformerError, match="are the same scene: keep one"):
        evaluate_files(tmp_path / "pred", tmp_path / "gt")
    with pytest.raises(SpaceformerError, match="has no file"):
        evaluate_files(tmp_path / "pred" / "masks" / "..", _empty(tmp_path))
    with pytest.raises(SpaceformerError, match="one is a folder, the other a file"):
        evaluate_files(tmp_path / "pred" / "a.txt", tmp_path / "gt")
    with pytest.raises(SpaceformerError, match="nowhere: does not exist"):
        evaluate_files(tmp_path / "pred", tmp_path / "nowhere")


def _empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_files_of_different_points_are_refused(tmp_path):
    truth = write_truth(tmp_path / "gt")
    with pytest.raises(SpaceformerError, match=r"0\.txt: 500 lines for the 600 points"):
        evaluate_files(write_prediction(tmp_path / "pred", [(0, 200, 5, 0.9)], points=500), truth)
    np.savez(tmp_path / "pred.npz", instance=VALUES[:-1])
    with pytest.raises(SpaceformerError, match=r"pred.npz has 599 points, .*scene0000_00.txt 600"):
        evaluate_files(tmp_path / "pred.npz", truth)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"label": VALUES}, r"has no instances: expected a column instance_id or instance \(found label\)"),
        ({"instance": VALUES, "label": VALUES[:5]}, r"label has shape \[5\], expected one value for 600 points"),
        ({"masks": np.ones((2, N), bool), "scores": np.ones(3)}, r"scores has shape \[3\], expected \[2\]"),
        ({"masks": np.ones(N, bool)}, r"masks has shape \[600\], expected \[K, N\]"),
        ({"masks": np.ones((2, N), bool)}, "instances overlap"),
        ({"masks": np.eye(2, N, dtype=bool), "scores": np.array([1, np.nan])}, "scores holds float64, or NaN"),
        ({"masks": np.eye(2, N, dtype=bool), "ids": np.array(["a", "b"])}, "ids holds <U1, or NaN"),
        ({"instance": VALUES + 0.5}, "instance has [0-9.]+, expected whole numbers"),
        ({"instance": np.full(N, np.nan)}, "instance has nan, expected whole numbers"),
        ({"instance": VALUES, "label": np.full(N, 1e18)}, r"label has 1e\+18, expected whole numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "scene.npz", **arrays)
    with pytest.raises(SpaceformerError, match=words):
        evaluate_files(tmp_path / "scene.npz", tmp_path / "scene.npz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("masks/0.txt 5", "line 1 is 'masks/0.txt 5', expected: mask_file label_id confidence"),
        ("masks/0.txt chair 0.5", "expected: mask_file label_id confidence"),
        ("masks/0.txt 5 0.5", "there is no file .*0.txt"),
        ("masks/0.txt 5 nan", "expected: mask_file label_id confidence"),
        ("ma\0sk.txt 5 0.5", "a null character in the path"),
    ],
)
def test_damaged_scannet_predictions_are_refused(tmp_path, text, words):
    (tmp_path / "scene.txt").write_text(text)
    with pytest.raises(SpaceformerError, match=words):
        evaluate_files(tmp_path / "scene.txt", write_truth(tmp_path / "gt"))


def test_damaged_ground_truth_is_refused(tmp_path):
    (tmp_path / "scene.txt").write_text("chair\n")
    with pytest.raises(SpaceformerError, match="expected one integer per line"):
        read_truth(tmp_path / "scene.txt")
    (tmp_path / "scene.txt").write_text(f"5001\n{10**30}\n")
    with pytest.raises(SpaceformerError, match="expected one integer per line"):
        read_truth(tmp_path / "scene.txt")
    (tmp_path / "scene.txt").write_text("-5001\n")
    with pytest.raises(SpaceformerError, match="has -5001"):
        read_truth(tmp_path / "scene.txt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes: [chair, chair]", "is in the vocabulary twice"),
        ("{classes: [chair], groups: {head: [table]}}", "group 'head' has 'table'"),
        ("classes: {chair: 5}", "a mapping of whole ids to names"),
        ("{classes: [chair], groups: [chair]}", "a mapping of words such as head"),
        ("[chair", "not valid yaml"),
        ("classes: [chair, null]", "the name 'None' is not a string"),
        ("{classes: {2: [chair]}}", "is not a string"),
        ("{classes: [chair], groups: {head: [7]}}", "the name '7' is not a string"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, text, words):
    (tmp_path / "labels.yaml").write_text(text)
    with pytest.raises(SpaceformerError, match=words):
        read_classes(tmp_path / "labels.yaml")


def test_classes_are_found_by_name_and_id():
    classes = Classes({3: "cabinet", 5: "chair|seat"})
    assert [classes.index(name) for name in ("Chair ", "seat", 5, "cabinet", 9, "lamp")] == [1, 1, 1, 0, -1, -1]
    growing = Classes()
    assert [growing.index(name) for name in ("lamp", 7, "LAMP", "7")] == [0, 1, 0, 1]
    assert growing.names == ["lamp", "7"]


def test_scannet200_is_read_from_its_own_files_and_nothing_in_them_runs(tmp_path):
    path = tmp_path / "scannet200_constants.py"
    ids, names = "VALID_CLASS_IDS_200 = (1, 2, 3, 1191)", "CLASS_LABELS_200 = ('wall', 'chair', 'floor', 'mattress')"
    path.write_text(f"import nothing_of_that_name\n{ids}\n{names}\nSEEN = open('seen', 'w')\nraise SystemExit\n")
    plain = read_classes(path)
    assert (plain.names, plain.index(1191), plain.index(1), plain.groups) == (["chair", "mattress"], 1, -1, {})
    splits = "HEAD_CATS_SCANNET_200 = ['wall', 'chair']\nTAIL_CATS_SCANNET_200 = ['mattress']\n"
    (tmp_path / "scannet200_splits.py").write_text(splits)
    assert read_classes(path).groups == {"head": [0], "tail": [1]}
    path.write_text(f"{ids}\nCLASS_LABELS_200 = ('wall',)\n")
    with pytest.raises(SpaceformerError, match=r"4 VALID_CLASS_IDS_200 and 1 CLASS_LABELS_200, expected equal numbers"):
        read_classes(path)
    path.write_text("ids = (")
    with pytest.raises(SpaceformerError, match="cannot be read"):
        read_classes(path)
