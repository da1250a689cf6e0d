# SPDX-License-Identifier: Apache-2.0
"""What the publishers of the input offer, and what the node requests and says about it."""

from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.ros import wait_until
from sensor_msgs.msg import PointCloud2

from spaceformer_ros.ros import health, qos

BEST_EFFORT = qos.profile(qos.BEST_EFFORT, qos.VOLATILE)
VOLATILE = qos.profile(qos.RELIABLE, qos.VOLATILE)
LATCHED = qos.profile(qos.RELIABLE, qos.TRANSIENT_LOCAL)
LOSSY_LATCHED = qos.profile(qos.BEST_EFFORT, qos.TRANSIENT_LOCAL)


def endpoint(offer, name="lidar", namespace="/front", topic_type=qos.CLOUD):
    return SimpleNamespace(node_name=name, node_namespace=namespace, qos_profile=offer, topic_type=topic_type)


@pytest.mark.parametrize(
    ("offer", "requested", "reason"),
    [
        (LATCHED, LATCHED, ""),
        (LATCHED, VOLATILE, ""),
        (LATCHED, BEST_EFFORT, ""),
        (VOLATILE, BEST_EFFORT, ""),
        (VOLATILE, LATCHED, "it offers volatile, this node requests transient_local"),
        (BEST_EFFORT, VOLATILE, "it offers best_effort, this node requests reliable"),
        (LOSSY_LATCHED, LATCHED, "it offers best_effort, this node requests reliable"),
        (
            BEST_EFFORT,
            LATCHED,
            "it offers best_effort, this node requests reliable; "
            "it offers volatile, this node requests transient_local",
        ),
    ],
)
def test_the_reason_names_every_policy_that_does_not_match(offer, requested, reason):
    assert qos.why_refused(offer, requested) == reason


@pytest.mark.parametrize(
    ("offers", "wanted"),
    [
        ([], BEST_EFFORT),
        ([LATCHED], LATCHED),
        ([VOLATILE], VOLATILE),
        ([LATCHED, LATCHED], LATCHED),
        ([LATCHED, VOLATILE], VOLATILE),
        ([LATCHED, BEST_EFFORT], BEST_EFFORT),
        ([LOSSY_LATCHED], BEST_EFFORT),
    ],
)
def test_auto_hears_every_publisher_and_says_whose_latched_cloud_it_misses(offers, wanted):
    endpoints = [endpoint(offer, f"node{i}") for i, offer in enumerate(offers)]
    requested = qos.input_profile("auto", endpoints)
    assert qos.describe(requested) == qos.describe(wanted)
    rows = qos.compare_publishers(endpoints, requested)
    assert [row.refusal for row in rows] == [""] * len(offers)
    latched = [qos.describe(offer) == qos.describe(LATCHED) for offer in offers]
    assert [row.misses_latched for row in rows] == [one and wanted is not LATCHED for one in latched]
    assert [row.latches_lossy for row in rows] == [offer is LOSSY_LATCHED for offer in offers]
    assert [row.name for row in rows] == [f"/front/node{i}" for i in range(len(offers))]


def test_a_publisher_of_another_type_is_named_and_changes_nothing():
    endpoints = [endpoint(LATCHED), endpoint(BEST_EFFORT, "scanner", topic_type="sensor_msgs/msg/LaserScan")]
    requested = qos.input_profile("auto", endpoints)
    assert qos.describe(requested) == qos.describe(LATCHED)
    rows = qos.compare_publishers(endpoints, requested)
    assert [row.refusal for row in rows] == [
        "",
        f"it publishes sensor_msgs/msg/LaserScan, this node expects {qos.CLOUD}",
    ]
    level, text = health.diagnose("IDLE", True, health.Counters(), rows, 1.0, 10.0, 0.0)
    assert (level, text.endswith("; remap the topic of one")) == (health.WARN, True)


def test_diagnostics_name_the_publishers_that_are_not_heard(start, client):
    found = client.listen("/diagnostics", DiagnosticArray, qos.EVENTS)
    start(input_qos="latched")
    topic = "/spaceformer/input/points"
    publishers = [client.node.create_publisher(PointCloud2, topic, profile) for profile in (LATCHED, BEST_EFFORT)]

    def status():
        values = {pair.key: pair.value for pair in found[-1].status[0].values} if found else {}
        return values if values.get("publishers_of_input", "").count("/client") == len(publishers) else None

    values = wait_until(lambda: status() and status()["qos_incompatible"] and status(), "both publishers")
    reason = "/client: it offers best_effort, this node requests reliable"
    assert values["qos_incompatible"].startswith(reason)
    assert reason in found[-1].status[0].message
    assert found[-1].status[0].level != b"\x00"
