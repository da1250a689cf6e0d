# SPDX-License-Identifier: Apache-2.0
import importlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.fakes import ROOM, make_pipeline
from helpers.halls import hall_pipeline, make_hall
from helpers.paths import ROOT
from PIL import Image

from spaceformer_ros.batch import batch
from spaceformer_ros.cli import main, scene_of_file, segment
from spaceformer_ros.cli.options import join_up
from spaceformer_ros.cli.tables import label_text
from spaceformer_ros.clouds.cloud import UPRIGHT, Cloud
from spaceformer_ros.clouds.files import read_cloud, read_records, write_cloud
from spaceformer_ros.config import Config
from spaceformer_ros.evaluation.spatiallm import read_layout_text
from spaceformer_ros.scene.file import read_scene
from spaceformer_ros.sources.files import map_files
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL, save_checkpoint
from spaceformer_ros.words.similarity import Similarity

main_module = importlib.import_module("spaceformer_ros.cli.main")  # the package has its function under this name


@pytest.fixture
def settings(tmp_path, tiny_model, text_cache):
    """--set arguments for a tiny checkpoint with random weights that publishes everything it finds."""
    save_checkpoint(
        tmp_path / "tiny.safetensors", tiny_model(text_channels=384), DEMO_TEXT_MODEL, Similarity(True, 20.0)
    )
    values = (
        f"checkpoint={tmp_path}/tiny.safetensors",
        "score_threshold=0.0",
        f"cache_dir={text_cache}",
        "offline=true",
    )
    return [part for value in values for part in ("--set", value)]


@pytest.fixture
def cloud_file(tmp_path, box_cloud):
    write_cloud(tmp_path / "map.ply", box_cloud([((0, 0, 0.5), (1.0, 1.0, 1.0), (200, 30, 30))]))
    return str(tmp_path / "map.ply")


@pytest.mark.slow
def test_segment_writes_objects_a_labelled_cloud_and_pictures(tmp_path, settings, cloud_file, capsys):
    out = tmp_path / "out"
    main(["segment", cloud_file, "--out", str(out), "--scenes", *settings])
    objects = json.loads((out / "map.json").read_text())
    assert objects
    assert set(objects[0]) >= {"id", "label", "score", "center", "size", "yaw"}
    assert f"{len(objects)} objects" in capsys.readouterr().out
    labeled = read_records(out / "map_labeled.ply")
    assert len(labeled) == 4000
    assert set(np.unique(labeled["instance_id"])) <= {0, *(item["id"] for item in objects)}
    assert np.array_equal(read_cloud(out / "map_labeled.ply").cloud.rgb, read_cloud(cloud_file).cloud.rgb)
    assert [path.name for path in map_files(out)] == ["map.safetensors"]
    for view in ("top", "oblique"):
        for kind in ("colors", "instances"):
            with Image.open(out / f"map_{view}_{kind}.png") as picture:
                assert np.ptp(np.asarray(picture.convert("L"))) > 50, "the picture shows nothing"


@pytest.mark.slow
def test_the_same_cloud_gives_the_same_objects(tmp_path, settings, cloud_file):
    for name in ("a", "b"):
        main(["segment", cloud_file, "--out", str(tmp_path / name), "--no-pictures", *settings])
    assert (tmp_path / "a" / "map.json").read_text() == (tmp_path / "b" / "map.json").read_text()


@pytest.mark.slow
def test_remarks_and_the_frame_of_the_results_are_printed(tmp_path, settings, box_cloud, capsys):
    cloud = box_cloud([((0, 0, 0.5), (1.0, 1.0, 1.0), (200, 30, 30))])
    xyz = cloud.xyz.copy()
    xyz[7] = 1e6
    write_cloud(tmp_path / "map.ply", replace(cloud, xyz=xyz))
    main(["find", str(tmp_path / "map.ply"), "chair", "--up=-y", *settings])
    printed = capsys.readouterr().err
    assert "map.ply: left out far outliers: 1 of 4000 points, 1e+06 m away" in printed
    assert "turned so that its axis -y is z" in printed


def test_a_batch_prints_the_frame_of_its_results(tmp_path, settings, cloud_file, capsys, monkeypatch):
    monkeypatch.setattr(batch, "segment_files", lambda paths, task, workers: [])
    monkeypatch.setattr(segment, "make_workers", lambda task, options, count: [])
    main(["segment", str(pathlib.Path(cloud_file).parent), "--out", str(tmp_path / "out"), "--up=x", *settings])
    assert "positions are in the frame of each file turned so that its axis x is z" in capsys.readouterr().err


@pytest.mark.slow
def test_find_prints_matches_or_the_reason(settings, cloud_file, capsys):
    pictures = cloud_file.replace("map.ply", "pictures")
    main(["find", cloud_file, "fire extinguisher", "--set", "min_match_score=0.0", "--out", pictures, *settings])
    assert "fire extinguisher" in capsys.readouterr().out
    assert [path.name for path in pathlib.Path(pictures).iterdir()] == ["1_fire_extinguisher.png"]
    main(["find", cloud_file, "chair", "--set", "min_match_score=1.0", *settings])
    printed = capsys.readouterr().out
    assert "no object that matches 'chair' scores 1.00 or more" in printed
    assert len(printed.splitlines()) == 1  # no table without rows


@pytest.mark.parametrize(("up", "size"), [("z", (1.0, 2.0, 3.0)), ("y", (1.0, 3.0, 2.0)), ("-y", (1.0, 3.0, 2.0))])
def test_clouds_are_turned_upright(up, size):
    corners = np.array([[0, 0, 0], [1, 2, 3], [1, 0, 0]], dtype=np.float32)
    cloud = Cloud(corners, np.zeros((3, 3), dtype=np.uint8)).turned(up)
    low, high = cloud.bounds
    assert tuple(high - low) == size
    assert tuple(cloud.xyz[2]) == (1.0, 0.0, 0.0)  # x stays
    heights = {"z": 3.0, "y": 2.0, "-y": -2.0}  # of the second corner
    assert cloud.xyz[1, 2] == heights[up]


@pytest.mark.parametrize("up", UPRIGHT)
def test_every_axis_can_be_turned_up_and_no_cloud_is_mirrored(up):
    assert np.linalg.det(UPRIGHT[up]) == 1.0
    axis = np.eye(3)["xyz".index(up[-1])] * (-1 if up.startswith("-") else 1)
    assert (UPRIGHT[up] @ axis == (0, 0, 1)).all()


@pytest.mark.slow
def test_render_draws_a_view_of_a_map(tmp_path, settings, cloud_file, capsys):
    pose = ["--pose", "-2", "0", "0.6", "0", "--size", "64", "48", "--layers", "ids,depth,color,marks"]
    main(["render", cloud_file, *pose, "--out", str(tmp_path / "out"), *settings])
    assert np.load(tmp_path / "out" / "ids.npy").shape == (48, 64)
    depth = np.asarray(Image.open(tmp_path / "out" / "depth.png"))
    assert depth[24, 32] == pytest.approx(1500, abs=2)  # the side of the cube at x = -0.5
    assert np.asarray(Image.open(tmp_path / "out" / "color.png"))[24, 32].tolist() == [200, 30, 30]
    with pytest.raises(SystemExit):
        main(["render", cloud_file, *pose[:5], "--layers", "relevancy", *settings])
    assert "the layer relevancy needs --text" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        *(["find", "a.safetensors", "sofa"], ["layout", "a.safetensors"], ["view", "a.safetensors"]),
        *(["mcp", "--scene", "a.safetensors"], ["render", "a.safetensors", "--pose", "0", "0", "1", "0"]),
    ],
)
def test_an_upper_axis_is_not_for_saved_scenes(arguments, capsys, tmp_path, monkeypatch):
    """It was ignored."""
    monkeypatch.chdir(tmp_path)
    assert ended([*arguments, "--up=-y"]) == 1
    assert "--up -y is for clouds: a.safetensors is a saved scene, which keeps its axes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layers", " , "], "--layers is empty, expected some of"),
        (["--image", "no.png"], "there is no file no.png"),
        (["--size", "16384", "16384"], "16384 x 16384 pixels, at most 67,108,864 are supported"),
    ],
)
def test_what_render_needs_is_checked_before_the_network_runs(arguments, words, capsys):
    assert ended(["render", "nowhere.ply", "--pose", "0", "0", "1", "0", *arguments]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_layout_writes_a_text_that_is_scored_against_itself(tmp_path, settings, box_cloud, capsys):
    room, out = [(0, 0, 0.05), (4.0, 3.0, 0.1), (90, 90, 90)], tmp_path / "out"
    sides = [((0, y, 1.25), (4.0, 0.02, 2.5), (200, 200, 200)) for y in (-1.5, 1.5)]
    sides += [((x, 0, 1.25), (0.02, 3.0, 2.5), (200, 200, 200)) for x in (-2.0, 2.0)]
    write_cloud(tmp_path / "home.ply", box_cloud([room, *sides], points=20_000))
    main(["layout", str(tmp_path / "home.ply"), "--what", "layout", "--out", str(out), *settings])
    assert "1 room, 4 walls, 0 doors, 0 windows; home.txt" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"home.txt", "home.json", "home.png", "home.svg"}
    assert "Bbox" not in (out / "home.txt").read_text()
    main(["evaluate", str(out / "home.txt"), str(out / "home.txt"), "--out", str(tmp_path / "report")])
    content = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert content["classes"] == {"wall": {"F1@0.25": 1.0, "F1@0.50": 1.0}}


def test_a_scene_file_is_edited_and_an_edit_is_taken_back_by_another_run(tmp_path, box_cloud, capsys, monkeypatch):
    monkeypatch.setattr("spaceformer_ros.pipeline.build_pipeline", make_pipeline)
    pipeline, scene, out = make_pipeline(Config()), tmp_path / "map.safetensors", tmp_path / "edited.safetensors"
    first = pipeline.process(box_cloud(ROOM)).scene.objects[0]
    pipeline.save(scene)
    main(["edit", str(scene), "--out", str(out), "--author", "Ada", "rename", str(first.id), "the  red cube"])
    main(["edit", str(out), "add", "robot dock", *(["--at", "-3", "4", "0.5", "--size", "1", "1", "2", "--yaw", "90"])])
    printed = capsys.readouterr().out
    renamed = f"renamed {first.label} {first.id} to the red cube"
    assert f"{renamed} (ids {first.id}); written to {out}" in printed
    assert "added robot dock" in printed
    edited = read_scene(out)
    box = edited.instances.boxes[edited.objects["row"][edited.labels.index("robot dock")]]
    assert np.allclose([*box.center, *box.size, box.yaw], (-3, 4, 0.5, 1, 1, 2, np.pi / 2))
    assert "the red cube" in edited.labels
    assert "the red cube" not in read_scene(scene).labels
    main(["edit", str(out), "undo", "2", "--out", str(tmp_path / "undone.safetensors"), "--author", "Bob"])
    assert read_scene(tmp_path / "undone.safetensors").labels == read_scene(scene).labels != read_scene(out).labels
    main(["edit", str(out), "undo", "2"])
    assert read_scene(out).labels == read_scene(scene).labels
    main(["edit", str(out), "list"])
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"\d{{4}}-\S+Z  Ada .*{renamed}", lines[-1].rstrip())
    with pytest.raises(SystemExit):
        main(["edit", str(out), "delete", "999"])
    assert capsys.readouterr().err == "spaceformer: no object with id 999 in the scene\n"


def test_labels_that_no_object_has_are_said(tmp_path, box_cloud, capsys, monkeypatch):
    monkeypatch.setattr("spaceformer_ros.cli.scene_of_file.build_pipeline", make_pipeline)
    pipeline, scene, out = make_pipeline(Config()), tmp_path / "map.safetensors", str(tmp_path / "out")
    label = pipeline.process(box_cloud(ROOM)).scene.objects[0].label
    pipeline.save(scene)
    main(["layout", str(scene), "--what", "objects", "--labels", f"{label.upper()},Coffee_Table", "--out", out])
    printed = capsys.readouterr()
    assert "spaceformer: no object is called Coffee_Table (labels in the map: " in printed.err
    assert re.search(r"^\d+ objects?; map\.txt", printed.out)
    main(["find", str(scene), label])
    assert re.search(rf"^{label} +1 +{label} ", capsys.readouterr().out, flags=re.MULTILINE)
    text = (tmp_path / "out" / "map.txt").read_text()
    assert set(re.findall(r"Bbox\(([^,]+)", text)) == {label.replace(" ", "_")}


def test_labels_do_not_select_parts_of_a_layout(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["layout", "map.ply", "--what", "layout", "--labels", "bed"])
    assert "--labels selects objects" in capsys.readouterr().err


@pytest.mark.slow
def test_rooms_are_written_as_ply_and_json(tmp_path):
    main(["rooms", "--out", str(tmp_path), "-n", "2", "--seed", "5"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("layouts", "room_5.json", "room_5.ply", "room_5_texts.json"),
        *("room_6.json", "room_6.ply", "room_6_texts.json"),
    ]
    records = read_records(tmp_path / "room_5.ply")
    objects = json.loads((tmp_path / "room_5.json").read_text())["objects"]
    assert records["instance"].max() == len(objects) - 1
    content = read_layout_text((tmp_path / "layouts" / "room_5.txt").read_text())
    assert [label for label, _ in content.boxes] == [item["kind"].replace(" ", "_") for item in objects]
    assert len(content.layout.walls) >= 4


@pytest.mark.slow
def test_houses_are_written(tmp_path):
    main(["rooms", "--out", str(tmp_path), "--rooms", "2", "--seed", "5"])
    content = read_layout_text((tmp_path / "layouts" / "room_5.txt").read_text())
    assert any(wall.thickness > 0 for wall in content.layout.walls)
    with pytest.raises(SystemExit):
        main(["rooms", "--out", str(tmp_path), "--rooms", "9"])


@pytest.mark.slow
def test_a_segmented_room_is_evaluated(tmp_path, settings, capsys):
    main(["rooms", "--out", str(tmp_path / "truth"), "--seed", "5"])
    room, asked = str(tmp_path / "truth" / "room_5.ply"), str(tmp_path / "truth" / "room_5_texts.json")
    main(["segment", room, "--out", str(tmp_path / "found"), "--no-pictures", "--texts", asked, *settings])
    arguments = [str(tmp_path / "found"), str(tmp_path / "truth"), "--class-agnostic", "--min-points", "20"]
    capsys.readouterr()
    main(["evaluate", *arguments, "--out", str(tmp_path / "report")])
    printed = capsys.readouterr().out
    content = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert content["settings"]["min_points"] == 20
    assert 0 < content["summary"]["texts"] <= len(json.loads(pathlib.Path(asked).read_text()))
    assert set(content["classes"]) == {"object"}
    for figure, value in content["summary"].items():
        assert figure in printed
        assert value is None or value >= 0
    assert (tmp_path / "report" / "evaluation.csv").read_text().startswith("scope,figure,value\nall,AP,")


@pytest.mark.slow
def test_evaluation_of_ground_truth_with_itself_prints_ones(tmp_path, capsys):
    main(["rooms", "--out", str(tmp_path), "--seed", "5"])
    main(["evaluate", str(tmp_path / "room_5.ply"), str(tmp_path / "room_5.ply"), "--out", str(tmp_path / "report")])
    rows = {line.split("  ")[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines() if line}
    assert {rows[name] for name in ("AP", "recall50", "box F1@0.50", "mIoU")} == {"1.000"}
    assert rows["scenes"] == "1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["segment", "nowhere.ply"], "nowhere.ply: cannot be read"),
        (["segment", "map.ply", "--set", "nms_iou=7"], "nms_iou: 7.0 is outside"),
        (["segment", "map.ply", "--set", "nms_iou"], "write NAME=VALUE"),
        (["segment", "map.ply", "--set", "vocabulary=sofa"], "vocabulary: 'sofa' is not a list of strings, such as"),
        (["segment", "map.ply", "--set", "vocabulary=[sofa, 5]"], r"vocabulary: ['sofa', 5] is not a list of strings"),
        (["segment", "map.ply", "--set", "vocabulary=5"], "vocabulary: 5 is not a list"),
        (["segment", "map.ply", "--set", "nms_iou=[1"], "the value is not valid yaml"),
        (["segment", "map.ply", "--set", "map_id=2024-13-45"], "the value is not valid yaml: month must be in"),
        (["segment", "map.ply", "--set", "nms_iou=!!int x"], "the value is not valid yaml"),
        (["segment", "map.ply", "--set", f"vocabulary={5000 * '['}"], "nested more than 50 levels"),
        (["segment", "map.ply", "--set", "device=quantum"], "device 'quantum' cannot be used"),
        (["segment", "map.ply", "--set", "device=cpu", "--set", "precision=float16"], "float16 needs a CUDA device"),
        (["segment", "nowhere"], "nowhere: there is no such file"),
        (["segment", "map.ply", "--texts", "nowhere.json"], "there is no file nowhere.json"),
        (["segment", "map.ply", "--set", "nms_iou=2e-0"], "nms_iou: 2.0 is outside"),
        (["segment", "map.ply", "--set", "checkpoint=~nosuchuser/a"], "the home folder is not known"),
        (["segment", "map.ply", "--set", "cache_dir=~nosuchuser/a"], "the home folder is not known"),
        (["segment", "map.ply", "--set", "max_voxels=100"], "more than max_voxels 100"),
        (["find", "map.ply", " "], "the text is empty"),
    ],
)
def test_invalid_arguments_end_with_one_sentence(tmp_path, settings, cloud_file, capsys, arguments, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main([arguments[0], *arguments[1:2], *settings, *arguments[2:]])
    assert stopped.value.code == 1
    assert words in capsys.readouterr().err


def test_invalid_arguments_of_evaluate_end_with_one_sentence(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", "nowhere", "nowhere.ply"])
    assert stopped.value.code == 1
    assert "spaceformer: nowhere: does not exist" in capsys.readouterr().err


def test_two_empty_files_are_not_evaluated(tmp_path, capsys):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("\n")
    with pytest.raises(SystemExit):
        main(["evaluate", str(tmp_path / "a.txt"), str(tmp_path / "b.txt")])
    assert "b.txt are empty: there is nothing to compare" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment", ""],
        ["segment", "map.ply", "--out", ""],
        *(
            ["layout", "map.ply", "--out", ""],
            ["rooms", "--out", " "],
            ["export", "a.ply", "--to", "json", "--out", ""],
            ["find", "map.ply", "couch", "--out", ""],
        ),
        *(["view", ""], ["mcp", "--scene", ""], ["render", "", "--pose", "0", "0", "1", "0"], ["train", ""]),
    ],
)
def test_a_file_or_folder_without_a_name_is_not_the_current_folder(arguments, capsys):
    """As the value of a variable that is not set."""
    assert ended(arguments) == 2
    assert "the name of the file or folder is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["render", "a.ply", "--pose", "nan", "0", "1", "0"], "nan is not a finite number"),
        (["fuse", "a", "--far", "inf"], "inf is not a finite number"),
        (["edit", "a.safetensors", "move", "1", "--at", "x", "0", "0"], "invalid number value: 'x'"),
        (["segment", "a.ply", "--ray-gpus", "-1"], "-1 is below 0"),
        (["find", "a.ply", "sofa", "--device=cuda", "--json"], "device is a setting: --set device=VALUE"),
        (["find", "a.ply", "sofa", "--allow-gray"], "allow_gray is a setting: --set allow_gray=VALUE"),
    ],
)
def test_options_that_cannot_be_used_are_explained(arguments, words, capsys):
    assert ended(arguments) == 2
    assert words in capsys.readouterr().err


def test_an_axis_with_a_sign_may_follow_its_option():
    assert join_up(["find", "--up", "-y", "-x"]) == ["find", "--up=-y", "-x"]


def ended(arguments):
    """Exit code of a command that does not return."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code


def test_help_lists_commands_and_version(capsys):
    for argument in ("--help", "--version"):
        assert ended([argument]) == 0
    assert "segment" in capsys.readouterr().out


def test_help_explains_common_settings_and_help_all_every_setting_of_files(capsys):
    assert ended(["find", "--help"]) == 0
    short = capsys.readouterr().out
    assert "score_threshold (default: 0.05)" in short
    assert "nms_iou (default" not in short
    for arguments in (["find", "--help-all"], ["--help-all"]):
        assert ended(arguments) == 0
        text = capsys.readouterr().out
        assert all(f"  {name} (default: " in text for name in ("score_threshold", "nms_iou", "tile_margin"))
        assert "input_qos" not in text


def test_unknown_options_print_the_usage_of_the_command(capsys):
    assert ended(["find", "map.ply", "chair", "--up", "y", "--nonsense"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("usage: spaceformer find ")
    assert "unrecognized arguments: --nonsense" in printed


@pytest.mark.parametrize(
    "arguments",
    [
        ["rooms", "--out", "x", "-n", "-1"],
        ["rooms", "--out", "x", "--seed", "-1"],
        ["segment", "a.ply", "--jobs", "0"],
        ["evaluate", "a", "b", "--min-points", "-5"],
    ],
)
def test_counts_below_their_limit_are_refused(arguments, capsys):
    assert ended(arguments) == 2
    assert f"{arguments[-1]} is below" in capsys.readouterr().err


@pytest.mark.slow
def test_heat_of_an_object_is_a_coloured_cloud(tmp_path, capsys, monkeypatch):
    write_cloud(tmp_path / "hall.ply", make_hall())
    monkeypatch.setattr(scene_of_file, "build_pipeline", lambda config, progress: hall_pipeline())
    arguments = ["segment", str(tmp_path / "hall.ply"), "--out", str(tmp_path / "out"), "--no-pictures", "--heat"]
    main([*arguments, "1"])
    heat = read_records(tmp_path / "out" / "hall_heat_1.ply")
    assert len(heat) == len(make_hall())
    assert heat["heat"].min() < 0.1 < 0.9 < heat["heat"].max()
    assert ended([*arguments, "999"]) == 1
    assert "no object with id 999" in capsys.readouterr().err
    assert ended(["segment", str(tmp_path), *arguments[2:], "1"]) == 1
    assert "--heat is for one file" in capsys.readouterr().err


def test_progress_of_a_map_in_tiles_is_shown_on_a_terminal(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    write_cloud(tmp_path / "hall.ply", make_hall())
    monkeypatch.setattr(scene_of_file, "build_pipeline", lambda config, progress: hall_pipeline())
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr(scene_of_file, "MIN_SECONDS", 0.0)
    main(["segment", str(tmp_path / "hall.ply"), "--out", str(tmp_path / "out"), "--no-pictures"])
    seen = re.findall(r"tile (\d+) of (\d+)", terminal.getvalue())
    assert [int(number) for number, _ in dict.fromkeys(seen)] == list(range(1, int(seen[0][1]) + 1))
    assert int(seen[0][1]) > 2


def test_the_table_marks_objects_outside_the_current_map():
    assert label_text(SimpleNamespace(label="sofa", in_map=True)) == "sofa"
    assert label_text(SimpleNamespace(label="sofa", in_map=False)) == "sofa (not in the current map)"


def test_a_folder_that_cannot_be_written_is_found_before_the_network_runs(tmp_path, settings, cloud_file, capsys):
    (tmp_path / "file").write_text("")
    missing = "checkpoint=nowhere.ckpt"  # whose error would come first if the network were loaded
    assert ended(["segment", cloud_file, "--out", str(tmp_path / "file" / "out"), "--set", missing]) == 1
    assert f"--out {tmp_path}/file/out cannot be written to: Not a directory" in capsys.readouterr().err
    for form in ("json", "openlex3d"):
        assert (
            ended(["export", cloud_file, "--to", form, "--out", str(tmp_path / "file" / "out"), "--set", missing]) == 1
        )
        assert "cannot be written to: " in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("command", [["--help-all"], ["evaluate", "room_5.ply", "room_5.ply"]])
def test_a_closed_pipe_prints_no_traceback(tmp_path, command):
    main(["rooms", "--out", str(tmp_path), "--seed", "5"])
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run(
        [sys.executable, "-m", "spaceformer_ros.cli", *command],
        cwd=tmp_path,
        env=environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert "Error" not in run.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(28, "No space left on device"), 1, "the output cannot be written: No space left on device"),
        (PermissionError(13, "Permission denied", "a\nb.json"), 1, "a\\nb.json: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_full_disk_and_an_interrupt_end_with_one_sentence(monkeypatch, capfd, error, code, words):
    def run_command(arguments):
        raise error

    monkeypatch.setattr(main_module, "run_command", run_command)
    monkeypatch.setattr(os, "dup2", lambda *arguments: None)  # of standard output
    assert ended([]) == code
    assert capfd.readouterr().err == f"spaceformer: {words}\n"


def test_output_that_the_caller_has_closed_goes_nowhere(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert ended(["--help"]) == 0
    assert ended(["find", "missing.ply", "couch"]) == 1


def test_text_that_the_terminal_cannot_show_is_escaped(monkeypatch):
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(main_module, "run_command", lambda arguments: print("cha\u00eese \udcff"))
    main([])
    assert output.buffer.getvalue() == b"cha\\xeese \\udcff\n"
