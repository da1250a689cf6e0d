# SPDX-License-Identifier: Apache-2.0
"""Parameter files that hold nothing for the node are named."""

import pytest

from spaceformer_ros.ros.parameter_files import fits, node_names, unused_arguments, unused_files

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


def test_arguments_that_are_not_for_ros_are_named():
    assert unused_arguments(["--ros-args", "-p", "device:=cpu", "--", "--ros-args", "-r", "a:=b"]) == []
    (sentence,) = unused_arguments(["-p", "x\x1b", "--ros-args", "-r", "a:=b"])
    assert "ignored '-p x\\x1b'" in sentence
    assert "--ros-args -p device:=cpu" in sentence
