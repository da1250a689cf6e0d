# SPDX-License-Identifier: Apache-2.0
"""input_mode "accumulate": scans in, a map and its objects out, over DDS."""

import dataclasses
import time
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers import tf_listener
from helpers.fakes import BLUE, GREEN, RED
from helpers.ros import wait_until
from rclpy.serialization import serialize_message
from std_srvs.srv import Trigger

from spaceformer_ros import SpaceformerError
from spaceformer_ros.clouds.pointcloud2 import cloud_columns
from spaceformer_ros.config import Config, Settings
from spaceformer_ros.geometry.transform import IDENTITY, RigidTransform
from spaceformer_ros.ros import interfaces, messages, qos
from spaceformer_ros.ros.health import Counters
from spaceformer_ros.ros.scans import Scans
from spaceformer_ros.ros.transforms import TransformError

SOFA = ((3.0, 0.0, 0.4), (2.0, 0.9, 0.8), GREEN)
CHAIR = ((0.0, 0.0, 0.5), (0.5, 0.5, 1.0), RED)
TABLE = ((0.0, 3.0, 0.4), (1.4, 0.8, 0.75), BLUE)


@pytest.fixture
def collect(start):
    """A function that starts the node in accumulate mode."""
    return lambda **parameters: start(input_mode="accumulate", accumulate_voxel_size=0.05, **parameters)


def labels(instances):
    return sorted(item.label for item in instances[-1].instances) if instances else []


def diagnostics(client):
    received = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    return lambda key: {p.key: p.value for p in received[-1].status[0].values}[key] if received else None


def test_scans_become_one_map(collect, client, instances, box_cloud):
    value = diagnostics(client)
    collect()
    for i, box in enumerate((SOFA, CHAIR, TABLE)):
        client.publish(box_cloud([box], stamp_ns=(i + 1) * 1_000_000_000))
        wait_until(lambda n=i: len(labels(instances)) == n + 1, f"{i + 1} objects")
    assert labels(instances) == ["chair", "sofa", "table"]
    assert instances[-1].header.stamp.sec == 3
    assert instances[-1].header.frame_id == "map"
    wait_until(lambda: int(value("scans_inserted") or 0) >= 3, "the diagnostics")  # a latched one may come twice
    assert int(value("map_voxels")) > 1000
    assert value("scans_dropped") == "0"


def test_a_scan_in_another_frame_is_moved_by_its_transform(collect, client, instances, box_cloud, monkeypatch):
    node = collect()
    asked, known = [], node.session.transforms.lookup

    def lookup(target, source, stamp, timeout):
        if source != "lidar":
            return known(target, source, stamp, timeout)
        asked.append((target, source, stamp.nanoseconds))
        return RigidTransform(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([1.0, 0.0, 0.0]))

    monkeypatch.setattr(node.session.transforms, "lookup", lookup)
    scan = dataclasses.replace(box_cloud([SOFA], stamp_ns=7_000_000_000), frame_id="lidar")
    client.publish(scan)
    wait_until(lambda: labels(instances) == ["sofa"], "the sofa")
    position = instances[-1].instances[0].pose.position
    assert (position.x, position.y, position.z) == pytest.approx((1.0, 3.0, 0.4), abs=0.05)
    assert instances[-1].header.frame_id == "map"
    assert asked[0] == ("map", "lidar", 7_000_000_000)


def test_a_scan_without_transform_is_left_out_with_a_warning(collect, client, instances, box_cloud, monkeypatch):
    value = diagnostics(client)
    node = collect()
    known = node.session.transforms.lookup

    def lookup(target, source, stamp, timeout):
        if source == "lost":
            raise TransformError("no transform from 'lost' to 'map'")
        return known(target, source, stamp, timeout)

    monkeypatch.setattr(node.session.transforms, "lookup", lookup)
    client.publish(dataclasses.replace(box_cloud([CHAIR]), frame_id="lost"))
    wait_until(lambda: int(value("tf_errors") or 0) >= 1, "the count of transform errors")
    client.publish(box_cloud([SOFA]))
    wait_until(lambda: labels(instances) == ["sofa"], "the next scan")


def test_a_bag_that_starts_again_is_placed(collect, client, instances, box_cloud, monkeypatch):
    tf_listener.stand_in(monkeypatch)
    collect(tf_timeout=0.05)
    broadcaster = tf_listener.Broadcaster(client)
    for expected, (box, seconds) in enumerate(((SOFA, 100), (CHAIR, 101), (TABLE, 5)), 1):
        scan = dataclasses.replace(box_cloud([box], stamp_ns=seconds * 10**9), frame_id="lidar")

        def found(scan=scan, number=expected):
            broadcaster.send(IDENTITY, scan.stamp_ns, "map", "lidar")
            client.publish(scan)
            time.sleep(0.1)
            return len(labels(instances)) == number

        wait_until(found, f"object {expected}")


def test_lost_scans_and_missing_stamps_are_said(collect, client, instances, states, box_cloud, monkeypatch):
    node = collect()
    placed = [True]

    def lookup(*_):
        if placed[0]:
            return IDENTITY
        raise TransformError("no transform from 'lidar'")

    monkeypatch.setattr(node.session.transforms, "lookup", lookup)

    def publish(stamp_ns):
        client.publish(dataclasses.replace(box_cloud([SOFA], points=500, stamp_ns=stamp_ns), frame_id="lidar"))
        time.sleep(0.02)

    publish(0)
    wait_until(lambda: "scans have no stamp" in str(node.session.counters.remarks), "the remark")
    placed[0] = False
    wait_until(lambda: publish(1) or "map revision 1; scans arrive, but" in states[-1].text, "the state")
    placed[0] = True
    wait_until(lambda: publish(2 + len(states)) or "scans arrive" not in states[-1].text, "recovery")
    wait_until(lambda: "scans" not in str(node.session.counters.remarks), "no remark on scans")


def test_clear_drops_the_map(collect, client, instances, box_cloud):
    collect()
    client.publish(box_cloud([SOFA]))
    wait_until(lambda: labels(instances) == ["sofa"], "the sofa")
    assert client.call(Trigger, "clear").success
    wait_until(lambda: labels(instances) == [], "an empty scene")
    client.publish(box_cloud([CHAIR], stamp_ns=2_000_000_000))
    wait_until(lambda: labels(instances) == ["chair"], "the chair alone")


def test_a_bad_scan_among_good_ones_is_counted_and_many_are_said(collect, client, instances, states, box_cloud):
    from spaceformer_ros.ros.messages import PointCloud2

    node = collect()
    client.publish(box_cloud([SOFA]))
    wait_until(lambda: labels(instances) == ["sofa"], "the sofa")
    wait_until(lambda: states and states[-1].state == interfaces.NodeState.IDLE, "the end of the inference")
    client.publish(PointCloud2())
    wait_until(lambda: node.session.counters.clouds_failed == 1, "the count")
    client.publish(box_cloud([CHAIR], stamp_ns=2_000_000_000))
    wait_until(lambda: labels(instances) == ["chair", "sofa"], "both")
    assert all(state.state != interfaces.NodeState.ERROR for state in states)
    assert node.session.counters.tf_errors == 0

    def said(cloud, words):
        client.publish(cloud)
        time.sleep(0.02)
        return words in states[-1].text

    wait_until(lambda: said(PointCloud2(), "scans arrive, but are not in the map: the cloud is empty"), "the bad scans")
    nameless = dataclasses.replace(box_cloud([SOFA]), frame_id="")
    wait_until(lambda: said(nameless, "scans arrive, but are not in the map: no transform"), "another reason")
    client.publish(box_cloud([TABLE], stamp_ns=3_000_000_000))
    wait_until(lambda: "scans arrive" not in states[-1].text, "recovery")


def test_without_any_scan_in_the_map_the_reason_is_the_answer(collect, client, instances, box_cloud):
    node = collect()
    client.publish(box_cloud([SOFA]))
    wait_until(lambda: instances, "the sofa")
    client.call(Trigger, "clear")
    client.publish(dataclasses.replace(box_cloud([SOFA]), frame_id="lidar"))
    wait_until(lambda: node.session.counters.unplaced_in_a_row, "the lost scan")
    reply = client.call(interfaces.SegmentNow, "segment_now", wait=True)
    assert "the accumulated map is empty: no transform from 'lidar' to 'map'" in reply.message


def test_a_map_without_points_in_the_region_says_so(box_cloud):
    roi = [50.0, 50.0, 50.0, 51.0, 51.0, 51.0]
    settings, counters = Settings(Config().with_values({"roi": roi})), Counters()
    transforms = SimpleNamespace(lookup=lambda *_: RigidTransform(np.eye(3), np.zeros(3)))
    scans = Scans(settings, transforms, counters, Mock(), lambda: None, print, print)
    header, cloud = messages.Header(frame_id="lidar"), box_cloud([CHAIR], points=900)
    scans.add(serialize_message(messages.to_cloud_message(header, cloud_columns(cloud))))
    wait_until(lambda: counters.scans_inserted, "the scan")
    scans.close()
    with pytest.raises(SpaceformerError, match=r"no scan with a point inside roi \[50.0, .*\] has arrived"):
        scans.snapshot()


def test_a_map_far_from_the_origin_of_the_fixed_frame_is_exact(box_cloud):
    far = np.array([500_000.123, 5_400_000.456, 300.789])
    settings, counters = Settings(Config().with_values({"accumulate_voxel_size": 0.05, "input_up": "-z"})), Counters()
    transforms = SimpleNamespace(lookup=lambda target, source, stamp, timeout: RigidTransform(np.eye(3), far))
    scans = Scans(settings, transforms, counters, Mock(), lambda: None, print, print)
    cloud = box_cloud([CHAIR], points=900)
    scans.add(serialize_message(messages.to_cloud_message(messages.Header(frame_id="lidar"), cloud_columns(cloud))))
    wait_until(lambda: counters.scans_inserted, "the scan")
    scans.close()
    found = scans.snapshot().cloud
    assert (found.origin, found.up) == ((499_712.0, 5_399_552.0, 0.0), "-z")
    low, high = cloud.bounds
    assert np.abs(found.in_frame() - far - np.clip(found.in_frame() - far, low, high)).max() < 1e-4
    assert np.abs(found.in_frame().mean(axis=0) - far - cloud.xyz.mean(axis=0)).max() < 0.1


def test_the_map_is_in_the_fixed_frame_and_has_a_limit(box_cloud):
    values = {"fixed_frame": "odom", "accumulate_max_voxels": 1000, "accumulate_voxel_size": 0.05}
    settings, counters, errors = Settings(Config().with_values(values)), Counters(), []
    transforms = SimpleNamespace(lookup=lambda target, source, stamp, timeout: IDENTITY)
    scans = Scans(settings, transforms, counters, Mock(), lambda: None, errors.append, errors.append)
    header = messages.Header(frame_id="lidar")
    scans.add(serialize_message(messages.to_cloud_message(header, cloud_columns(box_cloud([CHAIR], points=900)))))
    wait_until(lambda: counters.scans_inserted or errors, "the scan")
    scans.close()
    assert errors == []
    assert scans.snapshot().cloud.frame_id == "odom"
    assert 0 < counters.map_voxels <= 1000
