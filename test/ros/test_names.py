# SPDX-License-Identifier: Apache-2.0
"""Several nodes on one machine: names, namespaces, and QoS that a user overrides."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from helpers.ros import announce, wait_until

from spaceformer_ros.ros import parameters, qos, session
from spaceformer_ros.ros.parameter_files import unused_overrides
from spaceformer_ros.scene.data_dir import scene_path


def test_nodes_in_namespaces_have_folders_of_their_own(start, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    nodes = [start(active=False, namespace=namespace) for namespace in (None, "robot1", "/fleet/robot2")]
    folders = [scene_path("", parameters.read(node).storage).parent for node in nodes]
    own = tmp_path / "spaceformer_ros"
    assert folders == [own, own / "robot1" / "spaceformer", own / "fleet" / "robot2" / "spaceformer"]
    other = start(active=False, namespace="robot3", data_dir=str(tmp_path / "scenes"))
    assert scene_path("", parameters.read(other).storage).parent == tmp_path / "scenes"


def test_two_nodes_of_one_name_are_reported(start, client, monkeypatch):
    monkeypatch.setattr(session, "NAMESAKE_SECONDS", 1.0)
    found = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    nodes = [start(active=False) for _ in range(2)]
    for node in nodes:
        node.trigger_configure()
    status = wait_until(
        lambda: [m.status[0] for m in found if "nodes are called /spaceformer" in m.status[0].message],
        "the report",
        again=lambda: [announce(node) for node in nodes],
    )[-1]
    assert status.level == DiagnosticStatus.WARN
    assert int(status.message.split()[0]) >= 2  # DDS shows a node that another test killed for 20 s


def test_qos_of_outputs_follows_its_parameters_and_survives_a_cleanup(start, client):
    wrong = {"qos_overrides./spaceformer/instance.publisher.depth": 3}
    node = start(**{"qos_overrides./spaceformer/instances.publisher.depth": 7}, **wrong)
    assert unused_overrides(node) == [
        "no publisher has the parameter 'qos_overrides./spaceformer/instance.publisher.depth', did you mean "
        "'qos_overrides./spaceformer/instances.publisher.depth'?: it is ignored"
    ]
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert node.trigger_configure().name == "SUCCESS"
    profiles = {publisher.topic_name: publisher.qos_profile for publisher in node.publishers}
    for name, depth in (("instances", 7), ("markers", 10)):
        profile = profiles[f"/spaceformer/{name}"]
        assert (profile.durability, profile.depth) == (qos.TRANSIENT_LOCAL, depth)
    assert node.get_parameter("qos_overrides./spaceformer/markers.publisher.durability").value == "transient_local"
