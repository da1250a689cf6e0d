# SPDX-License-Identifier: Apache-2.0
"""The launch files. Without the launch packages of ROS (as in the wheels), stand-ins record their actions."""

import importlib.util
import pathlib
import re
import shlex
import sys
import types

import pytest
from helpers.paths import ROOT

FILES = sorted((ROOT / "launch").glob("*.launch.py"))


class Recorded:
    """Remembers how it was made; `perform` gives the default of the launch argument that it names."""

    def __init__(self, *values, **fields):
        self.values, self.fields, self.kind = values, fields, type(self).__name__

    def perform(self, context):
        return context[self.values[0]]


def recorded(name):
    return type(name, (Recorded,), {})


@pytest.fixture
def stand_ins(monkeypatch):
    """launch, launch_ros and the share folder, as far as our files use them."""
    table = {
        "launch": ["LaunchDescription"],
        "launch.actions": [
            "DeclareLaunchArgument",
            "IncludeLaunchDescription",
            "OpaqueFunction",
            "SetEnvironmentVariable",
        ],
        "launch.conditions": ["IfCondition"],
        "launch.launch_description_sources": ["PythonLaunchDescriptionSource"],
        "launch.substitutions": ["LaunchConfiguration"],
        "launch_ros": [],
        "launch_ros.actions": ["Node"],
    }
    for name, classes in table.items():
        module = types.ModuleType(name)
        module.__dict__.update({cls: recorded(cls) for cls in classes})
        monkeypatch.setitem(sys.modules, name, module)
    packages = types.ModuleType("ament_index_python.packages")
    packages.get_package_share_directory = lambda name: str(ROOT)
    monkeypatch.setitem(sys.modules, "ament_index_python", types.ModuleType("ament_index_python"))
    monkeypatch.setitem(sys.modules, "ament_index_python.packages", packages)


def load(path):
    spec = importlib.util.spec_from_file_location(path.name.replace(".", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_argument_is_described(stand_ins, path):
    (actions,) = load(path).generate_launch_description().values
    declared = [action for action in actions if action.kind == "DeclareLaunchArgument"]
    assert declared
    for action in declared:
        assert len(action.fields["description"]) > 5
        assert isinstance(action.fields["default_value"], str)
        if "choices" in action.fields:
            assert action.fields["default_value"] in action.fields["choices"]


def expanded(path, **changes):
    """All actions of a launch file, those of its functions included."""
    (actions,) = load(path).generate_launch_description().values
    declared = [action for action in actions if action.kind == "DeclareLaunchArgument"]
    context = {action.values[0]: action.fields["default_value"] for action in declared} | changes
    functions = [action.fields["function"] for action in actions if action.kind == "OpaqueFunction"]
    return [*actions, *(action for function in functions for action in function(context))]


@pytest.mark.parametrize("path", [f for f in FILES if f.name != "spaceformer.launch.py"], ids=lambda path: path.name)
def test_thin_files_include_the_main_one_with_arguments_that_it_has(stand_ins, path):
    (include,) = [action for action in expanded(path) if action.kind == "IncludeLaunchDescription"]
    source = pathlib.Path(include.values[0].values[0])
    assert source == ROOT / "launch" / "spaceformer.launch.py"
    known = {row[0] for row in load(source).ARGUMENTS}
    assert {name for name, _ in include.fields["launch_arguments"]} <= known


def passed(**changes):
    """The arguments that cameras.launch.py gives to the main launch file; its own are recorded values."""
    path = ROOT / "launch" / "cameras.launch.py"
    context = {"detections": "", "detections_topic": "", "yolo_topic": "", "image_views": ""} | changes
    (include,) = [a for a in expanded(path, **changes) if a.kind == "IncludeLaunchDescription"]
    arguments = dict(include.fields["launch_arguments"])
    return {
        name: value.perform(context | {"fixed_frame": ""}) if hasattr(value, "perform") else value
        for name, value in arguments.items()
    }


def test_cameras_of_a_driver_have_its_topics(stand_ins):
    assert passed()["depth_topic"] == "aligned_depth_to_color/image_raw"
    assert passed(driver="zed")["cameras"] == "/zed/zed_node"
    assert passed(cameras="/front,/rear", color_topic="rgb")["cameras"] == "/front,/rear"
    two = start_node(input_mode="rgbd", cameras="/front, /rear")["parameters"][1]
    assert (two["input_mode"], two["cameras"]) == ("rgbd", ["/front", "/rear"])


def test_detections_and_views_have_the_topics_of_the_first_camera(stand_ins):
    live = passed(cameras="/front, /rear", color_topic="rgb/image_raw/compressed", detections="true")
    assert (live["image_topic"], live["camera_info_topic"]) == ("/front/rgb/image_raw", "/front/rgb/camera_info")
    assert (passed()["image_topic"], passed()["detections"]) == ("/camera/camera/color/image_raw", "")
    node = start_node(detections="true", yolo_topic="/yolo/tracking", camera_info_topic="/front/camera_info")
    assert node["parameters"][1]["detections"] is True
    assert "image_views" not in node["parameters"][1]
    moved = dict(node["remappings"])
    assert moved["~/input/yolo_detections"] == "/yolo/tracking"
    assert moved["~/input/camera_info"] == "/front/camera_info"
    assert "~/input/detections" not in moved


def start_node(**changes):
    module = load(ROOT / "launch" / "spaceformer.launch.py")
    context = {name: default for name, default, _, _ in module.ARGUMENTS}
    (node,) = module.start_node({**context, **changes})
    return node.fields


def test_the_node_is_started_as_documented(stand_ins):
    fields = start_node()
    assert (fields["package"], fields["executable"], fields["name"]) == (
        "spaceformer_ros",
        "spaceformer_node",
        "spaceformer",
    )
    assert (ROOT / "scripts" / fields["executable"]).stat().st_mode & 0o111
    assert fields["remappings"] == [("~/input/points", "/rtabmap/cloud_map")]
    params_file, overrides = fields["parameters"]
    assert pathlib.Path(params_file) == ROOT / "config" / "params.yaml"
    assert overrides == {"use_sim_time": False, "autostart": True}
    assert fields["prefix"] is None


def test_arguments_override_the_parameter_file(stand_ins):
    fields = start_node(checkpoint="released", device="cuda:0", use_sim_time="true", cloud_topic="/map", namespace="r1")
    assert fields["parameters"][1] == {
        "checkpoint": "released",
        "device": "cuda:0",
        "use_sim_time": True,
        "autostart": True,
    }
    assert fields["remappings"] == [("~/input/points", "/map")]
    assert fields["namespace"] == "r1"


def test_the_python_of_a_virtual_environment_may_be_in_a_folder_with_blanks(stand_ins, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my venv").mkdir()
    (tmp_path / "my venv" / "python").symlink_to(sys.executable)
    assert shlex.split(start_node(python_prefix="~/my venv/python")["prefix"]) == [str(tmp_path / "my venv/python")]
    assert start_node(python_prefix="nice -n 5")["prefix"] == "nice -n 5"
    with pytest.raises(FileNotFoundError, match=r"python_prefix .*/no venv/python: there is no such program"):
        start_node(python_prefix="~/no venv/python")


def test_scans_of_several_robots_are_assembled_apart(stand_ins):
    def assembled(**changes):
        actions = expanded(ROOT / "launch" / "fast_livo.launch.py", **changes)
        (node,), (main,) = ([a for a in actions if a.kind == kind] for kind in ("Node", "IncludeLaunchDescription"))
        arguments = dict(main.fields["launch_arguments"])
        assert arguments["cloud_topic"] == f"{node.fields['namespace']}/assembled_cloud"
        return node.fields["namespace"], dict(node.fields["remappings"]), arguments["tf_prefix"]

    assert assembled() == ("/spaceformer_input", {"cloud": "/cloud_registered"}, "")
    namespace, remappings, prefix = assembled(namespace="robot1/", tf_prefix="robot1", scan_topic="/robot1/scans")
    assert (namespace, prefix) == ("/robot1/spaceformer_input", "robot1")
    assert remappings == {"cloud": "/robot1/scans", "/tf": "/robot1/tf", "/tf_static": "/robot1/tf_static"}


def start_rviz(**changes):
    module = load(ROOT / "launch" / "spaceformer.launch.py")
    context = {name: default for name, default, _, _ in module.ARGUMENTS}
    return module.start_rviz({**context, **changes})


def test_booleans_may_be_capitalised_and_a_home_folder_is_found(stand_ins, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("")
    fields = start_node(use_sim_time="True", autostart="False", params_file="~/mine.yaml")
    assert fields["parameters"][0] == str(tmp_path / "mine.yaml")
    assert (fields["parameters"][1]["use_sim_time"], fields["parameters"][1]["autostart"]) == (True, False)


def test_a_missing_parameter_file_is_an_error(stand_ins):
    with pytest.raises(FileNotFoundError, match=r"params_file /nowhere\.yaml does not exist"):
        start_node(params_file="/nowhere.yaml")


def test_tf_can_be_in_a_namespace(stand_ins):
    remappings = start_node(tf_prefix="/robot1")["remappings"]
    assert remappings[1:] == [("/tf", "/robot1/tf"), ("/tf_static", "/robot1/tf_static")]


def test_rviz_follows_the_node(stand_ins):
    assert start_rviz() == []
    (rviz,) = start_rviz(rviz="True", namespace="robot1", cloud_topic="/map", use_sim_time="true")
    assert rviz.fields["parameters"] == [{"use_sim_time": True}]
    remappings = dict(rviz.fields["remappings"])
    assert remappings["/spaceformer/input/points"] == "/map"
    assert remappings["/spaceformer/markers"] == "/robot1/spaceformer/markers"
    shown = set(re.findall(r"Value: (/spaceformer/\S+)", (ROOT / "config" / "spaceformer.rviz").read_text()))
    assert shown == {name for name in remappings if name.startswith("/spaceformer/")}
    assert remappings["/goal_pose"] == "/robot1/goal_pose"  # of its 2D goal tool, as Nav2 listens in a namespace


@pytest.mark.parametrize(
    ("topic", "namespace", "shown"),
    [
        ("map_cloud", "robot1", "/robot1/map_cloud"),
        ("map_cloud", "", "/map_cloud"),
        ("", "/robot1/", "/robot1/spaceformer/input/points"),
        ("~/scans", "", "/spaceformer/scans"),
    ],
)
def test_rviz_resolves_the_topic_of_the_map_as_the_node_does(stand_ins, topic, namespace, shown):
    (rviz,) = start_rviz(rviz="true", namespace=namespace, cloud_topic=topic, fixed_frame="odom")
    assert dict(rviz.fields["remappings"])["/spaceformer/input/points"] == shown
    assert rviz.fields["arguments"][-2:] == ["-f", "odom"]


def test_the_dds_profile_is_an_option_and_is_well_formed(stand_ins):
    import xml.etree.ElementTree as ElementTree

    (actions,) = load(ROOT / "launch" / "spaceformer.launch.py").generate_launch_description().values
    variables = [action for action in actions if action.kind == "SetEnvironmentVariable"]
    assert {action.values[0] for action in variables} == {
        "FASTRTPS_DEFAULT_PROFILES_FILE",
        "FASTDDS_DEFAULT_PROFILES_FILE",
    }
    for action in variables:
        assert action.fields["condition"].values[0].values == ("large_clouds",)
        tree = ElementTree.parse(action.values[1])
        assert int(tree.find(".//{*}segment_size").text) >= 256 * 2**20


def test_the_page_is_started_for_the_node_of_the_namespace(stand_ins):
    module = load(ROOT / "launch" / "spaceformer.launch.py")
    context = {name: default for name, default, _, _ in module.ARGUMENTS}
    assert module.start_viewer(context) == []
    (page,) = module.start_viewer({**context, "viewer": "true", "namespace": "/r1", "python_prefix": sys.executable})
    assert page.fields["parameters"] == [{"server": "/r1/spaceformer", "use_sim_time": False}]
    assert page.fields["prefix"] == sys.executable
    assert (ROOT / "scripts" / page.fields["executable"]).stat().st_mode & 0o111
