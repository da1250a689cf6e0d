# SPDX-License-Identifier: Apache-2.0
"""Parameter files that hold nothing for the node are named."""

import importlib.util
import pathlib
import re
import signal
import sys
from types import SimpleNamespace

import pytest
import rclpy
from helpers.paths import SCRIPTS

from spaceformer_ros.missing import one_sentence_if_missing
from spaceformer_ros.ros import mcp_server, node, viewer
from spaceformer_ros.ros.parameter_files import (
    fits,
    node_names,
    refusal,
    unknown_parameters,
    unused_arguments,
    unused_files,
    unused_rules,
)
from spaceformer_ros.ros.publish_cloud import main as publish_cloud

VALUES = {"ros__parameters": {"device": "cpu"}}


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("/spaceformer", "/spaceformer", True),
        ("/spaceformer", "/robot1/spaceformer", False),
        ("/**", "/robot1/spaceformer", True),
        ("/**/spaceformer", "/spaceformer", True),
        ("/**/spaceformer", "/a/b/spaceformer", True),
        ("/*/spaceformer", "/a/spaceformer", True),
        ("/*/spaceformer", "/a/b/spaceformer", False),
        ("/robot1/*", "/robot1/spaceformer", True),
        ("/space.ormer", "/spaceformer", False),
    ],
)
def test_names_fit_as_in_ros(pattern, name, expected):
    assert fits(pattern, name) == expected


def test_names_may_be_nested():
    content = {"robot1": {"spaceformer": VALUES, "other": VALUES}, "/**": VALUES, "text": "x"}
    assert node_names(content) == ["/robot1/spaceformer", "/robot1/other", "/**"]
    assert node_names(["no mapping"]) == []


def test_a_file_for_other_nodes_is_named_with_the_nearest_name(tmp_path):
    path, good = tmp_path / "wrong.yaml", tmp_path / "good.yaml"
    path.write_text("spaceformr:\n  ros__parameters:\n    device: cpu\n")
    good.write_text("/**:\n  ros__parameters:\n    device: cpu\n")
    arguments = [
        "node",
        "--ros-args",
        "--params-file",
        str(path),
        "--params-file",
        str(good),
        "--",
        "--params-file",
        "x",
    ]
    (sentence,) = unused_files(arguments, "/spaceformer")
    assert f"parameter file {path} has parameters for /spaceformr" in sentence
    assert "did you mean /spaceformer instead of /spaceformr?" in sentence
    (sentence,) = unused_files(arguments, "/robot1/other")
    assert "did you mean" not in sentence
    assert unused_files(["node", "--params-file", str(path)], "/spaceformer") == []


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (node, "roi ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0]): box of the points"),
        (viewer, 'host ("127.0.0.1"): address to listen on'),
        (mcp_server, "allow_motion (false): offer go_to"),
    ],
)
def test_help_lists_the_parameters(main, words, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["program", "--help", "--ros-args", "-p", "device:=cpu"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: spaceformer_")
    assert words in text


def test_arguments_that_are_not_for_ros_are_named():
    assert unused_arguments(["--ros-args", "-p", "device:=cpu", "--", "--ros-args", "-r", "a:=b"]) == []
    (sentence,) = unused_arguments(["-p", "x\x1b", "--ros-args", "-r", "a:=b"])
    assert "ignored '-p x\\x1b'" in sentence
    assert "--ros-args -p NAME:=VALUE" in sentence


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-r", "__ns:=robot1"], "a namespace begins with a slash"),
        (["-r", "__ns:=/robot-1"], "letters, digits and _ only, such as /robot_1"),
        (["-r", "__node:=my-node"], "the name of a node has letters"),
        (["--log-level", "loud"], "expected debug, info, warn, error or fatal"),
        (["-p", "vocabulary:=[tv, 3]"], "write all values of a list alike"),
        (["-p", "nms_iou=0.5"], "expected -p NAME:=VALUE"),
        (["--params-file", "/nowhere.yaml"], "there is no such file"),
    ],
)
def test_arguments_that_ros_refuses_are_explained(arguments, words):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - rclpy raises several types
        rclpy.init(args=["--ros-args", *arguments], context=rclpy.Context())
    assert words in refusal(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("spaceformer:\n  ros__parameters:\n    nms_iou:\n", "write a value, such as '' or"),
        ("spaceformer:\n  ros_parameters:\n    nms_iou: 0.5\n", "has NODE:, below it ros__parameters:"),
        ("nms_iou: 0.5\n", "has NODE:, below it ros__parameters:"),
        ("spaceformer:\n\tros__parameters:\n", "yaml in UTF-8, without tabs"),
        ("/**:\n  ros__parameters:\n    a: &x 1\n    b: *x\n", "write the value again"),
    ],
)
def test_parameter_files_that_ros_refuses_are_explained(tmp_path, text, words):
    (tmp_path / "mine.yaml").write_text(text)
    arguments = ["--ros-args", "--params-file", str(tmp_path / "mine.yaml")]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - rclpy raises several types
        rclpy.init(args=arguments, context=rclpy.Context())
    assert words in refusal(caught.value)


def test_parameters_of_the_command_line_for_another_node_are_named():
    arguments = [
        "--ros-args",
        "-p",
        "spaceformr:device:=cpu",
        "-p",
        "device:=a:b:=c",
        "--param",
        "robot:x:=1",
        "--",
        "-p",
    ]
    assert [sentence.split(":")[0] for sentence in unused_rules(arguments, "/spaceformer")] == ["'spaceformr", "'robot"]
    assert unused_rules(arguments[:3], "/spaceformr") == []


def test_parameters_that_a_program_does_not_have_are_named():
    given = dict.fromkeys(
        [
            "page.port",
            "prt",
            "server",
            "use_sim_time",
            "start_type_description_service",
            "qos_overrides./a.publisher.depth",
            "x\n",
        ]
    )
    sentences = unknown_parameters(SimpleNamespace(_parameter_overrides=given), ["port", "server"])
    assert sentences == [
        "there is no parameter 'page.port', did you mean 'port'?: it is ignored",
        "there is no parameter 'prt', did you mean 'port'?: it is ignored",
        "there is no parameter 'x\\n': it is ignored",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.ply"], "missing.ply: cannot be read: No such file or directory"),
        (["a.xyz", "--topic", "bad topic"], "Invalid topic name"),
        (["a.xyz", "--frame", "a\x1bb"], "frame_id 'a.*x1bb' has control characters"),
        (["a.xyz", "--ros-args", "-r", "__ns:=/robot-1"], "Failed to parse ROS arguments"),
    ],
)
def test_a_cloud_that_cannot_be_published_ends_in_one_sentence(tmp_path, monkeypatch, arguments, words):
    (tmp_path / "a.xyz").write_text("1 2 3 4 5 6\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["publish_cloud", *arguments])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match=f"^publish_cloud: .*{words}[^\n]*$"):
        publish_cloud()


@pytest.mark.parametrize("period", ["-1", "nan", "inf", "soon"])
def test_a_period_is_a_number_of_seconds(monkeypatch, capsys, period):
    monkeypatch.setattr(sys, "argv", ["publish_cloud", "a.xyz", f"--period={period}"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match="2"):
        publish_cloud()
    assert "argument --period" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("package", "cure"),
    [("rclpy", "source the setup.bash of ROS"), ("numpy", "run it .*python_prefix:=~/spaceformer_venv/bin/python")],
)
def test_a_package_that_is_missing_is_named_with_the_python_in_use(package, cure, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    words = f"viewer: the package {package} cannot be imported by {re.escape(sys.executable)} .*: {cure}"
    with pytest.raises(SystemExit, match=words), one_sentence_if_missing("viewer"):
        importlib.import_module(package)
    for script in SCRIPTS.iterdir():
        assert script.name == "spaceformer" or f'one_sentence_if_missing("{script.name}")' in script.read_text()


@pytest.mark.parametrize("script", sorted(SCRIPTS.iterdir()), ids=lambda path: path.name)
def test_every_program_also_runs_as_a_module(script):
    """`python -m` of a module without a main guard does nothing, and says nothing."""
    (module,) = re.findall(r"from (\S+) import main", script.read_text())
    source = pathlib.Path(importlib.util.find_spec(module).origin)
    source = source if source.name != "__init__.py" else source.with_name("__main__.py")
    assert source.read_text().endswith("main()\n")
