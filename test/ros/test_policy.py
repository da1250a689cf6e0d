# SPDX-License-Identifier: Apache-2.0
"""config/sros2_policy.xml against the schema of sros2 and the graph of the running node."""

import importlib.util
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from helpers.paths import CONFIG, ROOT
from helpers.ros import wait_until
from rclpy.action import get_action_server_names_and_types_by_node

from spaceformer_ros.ros import bond, nav2, vision

ROLES = {"topics": {"publish", "subscribe"}, "services": {"reply", "request"}, "actions": {"call", "execute"}}


def for_cameras(folder):
    """The policy for the cameras front and rear, made by the command of docs/security.md."""
    command = re.search(r"```sh\n(names=.*?)```", (ROOT / "docs" / "security.md").read_text(), re.DOTALL)[1]
    command = command.replace("$(ros2 pkg prefix --share spaceformer_ros)", str(ROOT))
    subprocess.run(["bash", "-ec", command], cwd=folder, check=True)
    return folder / "policy.xml"


def profile(path):
    """The only profile of a policy, after a check of its parent elements."""
    policy = ElementTree.parse(path).getroot()
    assert (policy.tag, policy.attrib) == ("policy", {"version": "0.2.0"})
    path = [policy]
    for tag, attributes in (
        ("contexts", {}),
        ("context", {"path": "/spaceformer"}),
        ("profiles", {}),
        ("profile", {"ns": "/", "node": "spaceformer"}),
    ):
        (child,) = path[-1]
        assert (child.tag, child.attrib) == (tag, attributes)
        path.append(child)
    return path[-1]


def resolved(name, node):
    """A name of a policy as the template for DDS of sros2 (permissions.xsl) resolves it for a node."""
    namespace = node.rpartition("/")[0]
    return name if name[0] == "/" else node + name[1:] if name[0] == "~" else f"{namespace}/{name}"


def allowed(path, node="/spaceformer"):
    """Dict role -> names, as sros2 resolves them for a node."""
    names = {"publish": [], "subscribe": [], "reply": [], "request": [], "call": [], "execute": []}
    for group in profile(path):
        ((role, verdict),) = group.attrib.items()
        assert role in ROLES[group.tag]
        assert verdict == "ALLOW"
        for entry in group:
            assert entry.tag == group.tag[:-1]
            names[role].append(resolved(entry.text, node))
    assert all(len(set(found)) == len(found) for found in names.values())
    return {role: set(found) for role, found in names.items()}


@pytest.mark.parametrize(
    ("cameras", "namespace"), [(("",), None), (("front", "rear"), "second")], ids=["one camera", "two cameras"]
)
def test_the_policy_names_exactly_what_the_node_uses(start, client, tmp_path, cameras, namespace):
    packages = "vision_msgs", "yolo_msgs", "nav_msgs"
    detector, yolo, nav = (importlib.util.find_spec(name) is not None for name in packages)
    costmap = "/global_costmap/costmap"
    views = {"detections": detector, "image_views": True, "thumbnails": True, "image_cameras": list(cameras)}
    node = start(use_sim_time=True, namespace=namespace, costmap_topic=costmap, **views)
    own = node.get_fully_qualified_name()
    wanted = allowed(CONFIG / "sros2_policy.xml" if cameras == ("",) else for_cameras(tmp_path), own)
    for role in ("publish", "subscribe"):
        wanted[role].remove(resolved(bond.TOPIC, own))  # the node starts by itself
    if not nav:
        wanted["subscribe"] -= {costmap}
    places = [f"{own}/{name}".rstrip("/") for name in cameras]
    wanted["call"].remove(resolved(nav2.ACTION, own))  # no goal was sent
    if not vision.AVAILABLE:
        wanted["publish"] -= {f"{own}/detections", f"{own}/label_info"}
    if not detector:
        names = ("detections", "label_image", "label_info")
        wanted["subscribe"] -= {f"{place}/input/{name}" for place in places for name in names}
        wanted["publish"] -= {f"{place}/view/label_info" for place in places}
    if not (detector and yolo):
        wanted["subscribe"] -= {f"{place}/input/yolo_detections" for place in places}
    if importlib.util.find_spec("tf2_ros") is None:
        wanted["subscribe"] -= {"/tf", "/tf_static"}
        wanted["reply"].remove(resolved("tf2_frames", own))
    if not any(name.endswith("/get_type_description") for name, _ in node.get_service_names_and_types()):
        wanted["reply"] -= {f"{own}/get_type_description"}  # not on Humble

    def used():
        name = node.get_name(), node.get_namespace()
        servers = get_action_server_names_and_types_by_node(node, *name)
        found = {
            "publish": node.get_publisher_names_and_types_by_node(*name),
            "subscribe": node.get_subscriber_names_and_types_by_node(*name),
            "reply": node.get_service_names_and_types_by_node(*name),
            "request": node.get_client_names_and_types_by_node(*name),
            "call": [],
            "execute": servers,
        }
        return {role: {one for one, _ in entries if "/_action/" not in one} for role, entries in found.items()}

    wait_until(lambda: "/clock" in used()["subscribe"], "the graph")
    assert used() == wanted
