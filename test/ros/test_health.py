# SPDX-License-Identifier: Apache-2.0
import pytest

from spaceformer_ros.ros import health

PUBLISHERS = [health.Publisher("/rtabmap", "reliable, transient_local")]
REFUSAL, CURE = "it offers best_effort, this node requests reliable", "set input_qos to auto"
MISMATCH = [health.Publisher("/x", "best_effort, volatile", REFUSAL, cure=CURE)]
TWO = [*PUBLISHERS, health.Publisher("/file", "reliable, volatile")]
LOSSY = [health.Publisher("/c", "best_effort, transient_local", latches_lossy=True)]
MISSED = [health.Publisher("/a", "reliable, transient_local", misses_latched=True), health.Publisher("/b", "volatile")]


def diagnose(
    state="IDLE", active=True, publishers=PUBLISHERS, now=20.0, started=0.0, streaming=False, namesakes="", **counted
):
    counters = health.Counters(**counted)
    return health.diagnose(state, active, counters, publishers, now, 10.0, started, streaming, namesakes)


@pytest.mark.parametrize(
    ("arguments", "level", "words"),
    [
        ({"last_cloud_time": 15.0}, health.OK, "working"),
        ({"last_cloud_time": 5.0, "now": 100.0}, health.OK, "working"),  # maps are published on change only
        ({"state": "LOADING"}, health.WARN, "loading"),
        ({"namesakes": "2 nodes are called /x", "last_cloud_time": 15.0}, health.WARN, "2 nodes are called /x"),
        ({"active": False}, health.OK, "not active"),
        ({"state": "ERROR", "last_error": "no colour"}, health.ERROR, "no colour"),
        ({"save_error": "autosave: disk full", "last_cloud_time": 15.0}, health.ERROR, "disk full"),
        ({"state": "DISABLED", "now": 100.0}, health.OK, "disabled by ~/set_enabled"),
        ({"publishers": []}, health.WARN, "the input topic has no publisher yet: is its node running, and the remap"),
        ({"publishers": [], "now": 100.0}, health.ERROR, "no cloud for 100 s and the input topic has"),
        (
            {"publishers": [], "now": 100.0, "last_cloud_time": 5.0},
            health.WARN,
            "no publisher any more",
        ),  # the map is good
        ({}, health.WARN, "no cloud for 20 s from /rtabmap"),
        ({"now": 100.0}, health.ERROR, "no cloud for 100 s from /rtabmap"),
        ({"now": 5.0}, health.OK, "working"),
        ({"streaming": True, "last_cloud_time": 15.0}, health.OK, "working"),
        ({"streaming": True, "last_cloud_time": 5.0}, health.WARN, "no cloud for 15 s from /rtabmap"),
        ({"streaming": True, "last_cloud_time": 5.0, "now": 100.0}, health.ERROR, "no cloud for 95 s from /rtabmap"),
        ({"streaming": True, "last_cloud_time": 5.0, "now": 105.0, "started": 100.0}, health.OK, "working"),
        ({"publishers": MISMATCH, "now": 1.0}, health.WARN, "nothing arrives from /x: it offers best_effort,"),
        ({"publishers": MISMATCH, "now": 100.0}, health.ERROR, "this node requests reliable; set input_qos to auto"),
        ({"publishers": MISMATCH + PUBLISHERS, "now": 100.0, "last_cloud_time": 99.0}, health.WARN, "from /x: it"),
        ({"publishers": MISSED}, health.WARN, "the latched cloud of /a is not requested, as /b does not latch: let it"),
        ({"publishers": MISSED[:1]}, health.WARN, "of /a is not requested: set input_qos to auto"),
        ({"publishers": LOSSY}, health.WARN, "/c latches best_effort, which late subscribers do not get"),
        ({"publishers": MISSED, "last_cloud_time": 5.0}, health.OK, "working"),
        ({"last_cloud_time": 19.0, "remarks": ("used 1 of every 2",)}, health.WARN, "used 1 of every 2"),
        ({"last_cloud_time": 19.0, "alternating": True}, health.OK, "working"),  # one of two publishers has ended
        ({"last_cloud_time": 19.0, "alternating": True, "publishers": MISMATCH + PUBLISHERS}, health.WARN, "nothing a"),
        (
            {"last_cloud_time": 19.0, "alternating": True, "publishers": TWO},
            health.WARN,
            "of /file and /rtabmap, send dif",
        ),
    ],
)
def test_level_and_sentence(arguments, level, words):
    found, text = diagnose(**arguments)
    assert found == level
    assert words in text


def test_slow_inference_warns_and_becomes_an_error_when_it_lasts():
    counters = health.Counters(last_cloud_time=99.0)
    levels = []
    for total in (5.0, 20.0, 20.0, 20.0, 5.0):
        counters.add_inference({"network": total, "total": total}, limit=10.0)
        levels.append(health.diagnose("IDLE", True, counters, PUBLISHERS, 100.0, 10.0, 0.0)[0])
    assert levels == [health.OK, health.WARN, health.WARN, health.ERROR, health.OK]


def test_rows_are_text_and_complete():
    counters = health.Counters(clouds_received=3, last_cloud_time=98.5)
    counters.add_inference({"decode": 0.01, "network": 1.5, "total": 1.6}, limit=10.0)
    rows = dict(health.rows("IDLE", {"device": "cpu"}, counters, PUBLISHERS, 100.0))
    assert rows["device"] == "cpu"
    assert rows["cloud_age_s"] == "1.5"
    assert rows["stage_network_ms"] == "1500.0"
    assert rows["publishers_of_input"] == "/rtabmap (reliable, transient_local)"
    assert all(isinstance(value, str) for value in rows.values())


@pytest.mark.parametrize(("age", "words"), [(86400.0, ""), (-9.0, ""), (-3600.0, "3600 s ahead of the node's clock")])
def test_stamps_from_the_future_are_said(age, words):
    assert words in "".join(health.clock_remarks(age))
    assert bool(health.clock_remarks(age)) == bool(words)
