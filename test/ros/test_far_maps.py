# SPDX-License-Identifier: Apache-2.0
"""Maps with UTM coordinates, in millimetres, or in a camera's optical frame: answers are in the map's own frame."""

import dataclasses

import numpy as np
import pytest
from helpers.fakes import ROOM
from helpers.ros import wait_until
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from spaceformer_ros.clouds.cloud import UPRIGHT
from spaceformer_ros.clouds.pointcloud2 import cloud_columns, decode, structured_view
from spaceformer_ros.ros import interfaces, messages

FindObjects, ResultCode = interfaces.FindObjects, interfaces.ResultCode
ORIGIN = np.array([499_712.0, 5_399_552.0, 0.0])
UTM = ORIGIN + (288.0, 448.0, 300.0)
FLOOR = ((3.0137, 0.0137, 0.0137), (4.0, 3.0, 0.01), (250, 250, 250))
NEAR = [*((np.add(center, 0.0137), size, color) for center, size, color in ROOM), FLOOR]  # off the borders of voxels
FLOAT32, FLOAT64 = 7, 8


def positions(array, offset=(0.0, 0.0, 0.0)):
    """Dict label -> [2, 3] centre and centroid of an InstanceArray, minus an offset."""
    return {
        item.label: np.array([[v.x, v.y, v.z] for v in (item.pose.position, item.centroid)]) - offset
        for item in array.instances
    }


def far_message(cloud):
    """The PointCloud2 of a Cloud moved to UTM."""
    columns = {**cloud_columns(cloud), **dict(zip("xyz", (cloud.xyz.astype(np.float64) + UTM).T))}
    return messages.to_cloud_message(messages.Header(frame_id="map"), columns)


def point(xyz):
    return messages.to_point(xyz)


def test_a_utm_map_is_answered_in_its_own_numbers(start, client, instances, box_cloud, tmp_path):
    markers = client.listen("/spaceformer/markers", MarkerArray)
    clouds = client.listen("/spaceformer/labeled_cloud", PointCloud2)
    start(data_dir=str(tmp_path))
    cloud = box_cloud(NEAR, points=12_000)
    client.publish(cloud)
    near = positions(wait_until(lambda: instances and instances[-1].instances and instances[-1], "the near room"))
    wait_until(lambda: clouds, "its labelled cloud")
    assert clouds[-1].fields[0].datatype == FLOAT32
    asked = {"query": "sofa", "region_radius": 1.0, "with_approach": True}
    near_match = client.call(FindObjects, "find_objects", region_center=point((3.0, 0.0, 0.4)), **asked).matches[0]

    client.publish(far_message(cloud))
    far = wait_until(lambda: instances[-1].map_revision == 2 and instances[-1], "the far room")
    for label, centers in positions(far, UTM).items():
        np.testing.assert_allclose(centers, near[label], rtol=0, atol=1e-3)

    wait_until(lambda: clouds[-1].fields[0].datatype == FLOAT64, "a labelled cloud of doubles")
    points = structured_view(clouds[-1])
    np.testing.assert_allclose(points["y"] - UTM[1], cloud.xyz[:, 1], rtol=0, atol=1e-3)
    wait_until(lambda: any(marker.pose.position.y > 5e6 for marker in markers[-1].markers), "its markers")
    boxes = [marker for marker in markers[-1].markers if marker.ns == "boxes" and marker.action == marker.ADD]
    assert len(boxes) == 3
    assert all(marker.pose.position.y > 5e6 for marker in boxes)

    reply = client.call(FindObjects, "find_objects", region_center=point(UTM + (3.0, 0.0, 0.4)), **asked)
    match = reply.matches[0]
    for a, b in ((near_match.instance.pose, match.instance.pose), (near_match.approach, match.approach)):
        moved = np.array([b.position.x, b.position.y, b.position.z]) - UTM
        np.testing.assert_allclose(moved, (a.position.x, a.position.y, a.position.z), rtol=0, atol=1e-3)
    of_one = client.call(interfaces.GetInstanceCloud, "get_instance_cloud", id=match.instance.id).cloud
    assert np.abs(decode(of_one).cloud.in_frame()[:, 1] - UTM[1]).max() < 1.0

    assert client.call(interfaces.SaveScene, "save").code == ResultCode.OK
    assert client.call(Trigger, "clear").success
    assert client.call(interfaces.LoadScene, "load").code == ResultCode.OK
    again = positions(client.call(interfaces.GetInstances, "get_instances").result, UTM)
    assert all(np.abs(again[label] - near[label]).max() < 1e-3 for label in near)


def test_a_map_in_millimetres_with_y_down_is_answered_in_its_frame_in_metres(start, client, instances, box_cloud):
    up = "-y"
    clouds = client.listen("/spaceformer/labeled_cloud", PointCloud2)
    start(input_up=up, input_scale=0.001, roi=[-4.0, -5.0, -4.0, 6.0, 5.0, 4.0])
    cloud = box_cloud(NEAR, points=12_000)
    xyz = (cloud.xyz @ UPRIGHT[up]).astype(np.float32)  # the room in a frame whose axis `up` points up
    client.publish(dataclasses.replace(cloud, xyz=1000 * xyz))
    array = wait_until(lambda: instances and instances[-1].instances and instances[-1], "the room")
    sofa = next(item for item in array.instances if item.label == "sofa")
    center = np.array([sofa.pose.position.x, sofa.pose.position.y, sofa.pose.position.z])
    np.testing.assert_allclose(center, np.add((3.0, 0.0, 0.4), 0.0137) @ UPRIGHT[up], atol=0.03)
    assert (sofa.size.x, sofa.size.z) == pytest.approx((2.0, 0.8), abs=0.06)
    q = sofa.pose.orientation
    vertical = (2 * (q.x * q.z + q.w * q.y), 2 * (q.y * q.z - q.w * q.x), 1 - 2 * (q.x**2 + q.y**2))  # the box's z axis
    np.testing.assert_allclose(vertical, UPRIGHT[up][2], atol=1e-6)
    wait_until(lambda: clouds, "the labelled cloud")
    np.testing.assert_allclose(decode(clouds[-1]).cloud.xyz, xyz, atol=1e-4)
    asked = {"query": "sofa", "region_center": point(center), "region_radius": 0.1, "with_approach": True}
    match = client.call(FindObjects, "find_objects", **asked).matches[0]
    floor = (UPRIGHT[up] @ (match.approach.position.x, match.approach.position.y, match.approach.position.z))[2]
    assert floor == pytest.approx(0.0, abs=0.05)
