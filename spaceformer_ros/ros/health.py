# SPDX-License-Identifier: Apache-2.0
"""Counters of a node, and the diagnostics computed from them: level, message and key-value rows. Independent of ROS."""

from dataclasses import dataclass, field
from typing import NamedTuple

from .text import printable

OK, WARN, ERROR = 0, 1, 2
PERSISTENT = 3  # a warning becomes an error after this many slow inferences in a row, or input_timeouts without a cloud
MAX_AHEAD = 10.0  # seconds by which a stamp may be ahead of the clock: machines on one network differ by less
MAX_UNPLACED = 50  # a warning becomes an error after this many scans in a row that are not in the map (5 s at 10 Hz)


class Publisher(NamedTuple):
    """A publisher of the input topic.

    name: of its node, with the namespace.
    offer: its QoS in words.
    refusal, cure: why nothing arrives from it, and what to do; or "".
    misses_latched: its latched cloud is not requested, because another publisher does not latch, or by input_qos.
    latches_lossy: it latches best_effort: its latched cloud does not come, whatever is requested.
    """

    name: str
    offer: str
    refusal: str = ""
    cure: str = ""
    misses_latched: bool = False
    latches_lossy: bool = False


@dataclass
class Counters:
    """Counters of a configured node. Times are seconds of time.monotonic, durations are seconds."""

    clouds_received: int = 0
    clouds_failed: int = 0
    last_cloud_time: float | None = None
    cloud_points: int = 0
    cloud_dropped_points: int = 0
    voxels: int = 0
    scans_inserted: int = 0
    scans_dropped: int = 0
    scans_unplaced: int = 0
    unplaced_in_a_row: int = 0
    unplaced_reason: str = ""
    map_voxels: int = 0
    images_skipped: int = 0
    voxels_removed: int = 0
    detections_used: int = 0
    detections_assigned: int = 0
    detections_dropped: int = 0
    detections_reason: str = ""
    presence_images: int = 0
    objects_seen_through: int = 0
    presence_reason: str = ""
    thumbnails_taken: int = 0
    thumbnails_reason: str = ""
    views_drawn: int = 0
    views_dropped: int = 0
    views_reason: str = ""
    tiles: int = 0
    tiles_computed: int = 0
    inferences: int = 0
    inferences_skipped: int = 0
    slow_in_a_row: int = 0
    stage_seconds: dict = field(default_factory=dict)
    total_seconds: list = field(default_factory=list)
    tf_errors: int = 0
    last_error: str = ""
    save_error: str = ""  # why the scene could not be saved, until a save succeeds
    remarks: tuple = ()
    alternating: bool = False  # the last maps were of two places in turn, see clouds/alternation.py

    def add_placed_scan(self):
        """Count a scan that was inserted into the map."""
        self.scans_inserted += 1
        self.unplaced_in_a_row = 0

    def add_unplaced_scan(self, reason, lacks_transform):
        """Count a scan that is not in the map: bad, or without a usable transform."""
        if lacks_transform:
            self.tf_errors += 1
        else:
            self.clouds_failed += 1
        self.scans_unplaced += 1
        self.unplaced_in_a_row += 1
        self.unplaced_reason = reason

    def add_outcome(self, outcome, seconds, limit):
        """Count one inference: its Outcome, its seconds per stage and in "total", and the parameter
        max_processing_time."""
        self.last_error = ""
        self.remarks = outcome.remarks
        self.voxels = len(outcome.scene.instances.voxels)
        self.tiles = outcome.tiles
        self.tiles_computed = outcome.tiles_computed
        self.add_inference(seconds, limit)

    def add_inference(self, seconds, limit):
        """Count the times of one inference; see `add_outcome`."""
        total = seconds["total"]
        self.inferences += 1
        self.stage_seconds = dict(seconds)
        self.total_seconds = [*self.total_seconds[-99:], total]
        self.slow_in_a_row = self.slow_in_a_row + 1 if total > limit else 0


def clock_remarks(age):
    """Sentences about a cloud that is `age` seconds older than the node's clock; negative: it is from the future."""
    if age >= -MAX_AHEAD:
        return ()
    return (
        f"the cloud's stamp is {-age:.0f} s ahead of the node's clock: synchronise the clocks, or, in a simulation or "
        "with a bag, set use_sim_time and publish /clock",
    )


def diagnose(
    state_name,
    active,
    counters,
    publishers,
    now,
    input_timeout,
    started,
    streaming=False,
    namesakes="",
    camera_remarks=(),
):
    """Level and sentence of the diagnostics.

    state_name: of a NodeState constant.
    active: whether the node is in the lifecycle state active.
    counters: Counters.
    publishers: list of Publisher.
    now, started: monotonic seconds, at present and when the node was activated.
    input_timeout: the parameter, in seconds.
    streaming: clouds are scans, which must keep arriving; a map may be published only when it changes.
    namesakes: sentence if another node has the same name.
    camera_remarks: sentences about topics of images and detections.
    """
    if state_name == "ERROR" or counters.last_error:
        return ERROR, counters.last_error or "the node is in state ERROR; see ~/state"
    if counters.save_error:
        return ERROR, counters.save_error
    if namesakes:
        return WARN, namesakes
    if state_name == "LOADING":
        return WARN, "loading the model"
    if not active:
        return OK, "not active: clouds are not processed"
    if state_name == "DISABLED":
        return OK, "disabled by ~/set_enabled: clouds are not processed"
    missing = _missing_input(counters, publishers, now, input_timeout, started, streaming)
    if missing:
        return missing
    if counters.unplaced_in_a_row:
        level = ERROR if counters.unplaced_in_a_row >= MAX_UNPLACED else WARN
        return level, f"{counters.unplaced_in_a_row} scans in a row dropped: {printable(counters.unplaced_reason)}"
    if counters.slow_in_a_row:
        level = ERROR if counters.slow_in_a_row >= PERSISTENT else WARN
        return level, f"inference took {counters.total_seconds[-1]:.1f} s, more than max_processing_time"
    remarks = *_alternation(counters, publishers), *camera_remarks, *counters.remarks
    if remarks:
        return WARN, "; ".join(remarks)
    return OK, "working"


def _missing_input(counters, publishers, now, timeout, started, streaming):
    """Level and sentence if clouds do not arrive as expected, or None.

    A warning becomes an error when no cloud has arrived for PERSISTENT timeouts. A map stays valid when its publisher
    is gone.
    """
    heard = counters.last_cloud_time is not None
    waited = now - max(counters.last_cloud_time or started, started)
    level = ERROR if waited > PERSISTENT * timeout and (streaming or not heard) else WARN
    refused = [f"{one.name}: {one.refusal}" for one in publishers if one.refusal]
    if refused:
        cures = dict.fromkeys(one.cure for one in publishers if one.refusal)
        return level, f"nothing arrives from {'; '.join(refused)}; {', '.join(cures)}"
    if waited <= timeout:
        return None
    if not publishers:
        cause = "any more: has its node ended?" if heard else "yet: is its node running, and the remapping right?"
        return level, f"no cloud for {waited:.0f} s and the input topic has no publisher {cause}"
    if not heard and (reason := _unheard_latched(publishers)):
        return level, f"no cloud for {waited:.0f} s: {reason}"
    if streaming or not heard:
        names = ", ".join(one.name for one in publishers)
        return level, f"no cloud for {waited:.0f} s from {names}: it may publish only changes, or have stopped"
    return None


def _unheard_latched(publishers):
    """Why the latched clouds of publishers, sent before this node subscribed, do not arrive; "" if there are none."""
    latched = [one.name for one in publishers if one.misses_latched]
    others = [one.name for one in publishers if not one.misses_latched]
    lossy = [one.name for one in publishers if one.latches_lossy]
    if latched and others:
        return (
            f"the latched cloud of {', '.join(latched)} is not requested, as {', '.join(others)} does not latch: let "
            "it offer reliable, transient_local, too, or remap its topic"
        )
    if latched:
        return f"the latched cloud of {', '.join(latched)} is not requested: set input_qos to auto"
    if lossy:
        return f"{', '.join(lossy)} latches best_effort, which late subscribers do not get: let it offer reliable"
    return ""


def _alternation(counters, publishers):
    """A sentence if several publishers send whole maps of different places; () otherwise."""
    heard = sorted(one.name for one in publishers if not one.refusal)
    if not counters.alternating or len(heard) < 2:
        return ()
    return (
        f"{len(heard)} publishers, of {' and '.join(dict.fromkeys(heard))}, send different maps in turn, and each "
        "replaces the other's objects: remap the topic of all but one, or, if they are scans, "
        "set input_mode to accumulate",
    )


def rows(state_name, facts, counters, publishers, now):
    """Rows (key, value) of str. facts: dict of what does not change, such as device and backend."""
    totals = counters.total_seconds
    numbers = {
        "state": state_name,
        **facts,
        "clouds_received": counters.clouds_received,
        "clouds_failed": counters.clouds_failed,
        "cloud_age_s": "" if counters.last_cloud_time is None else f"{now - counters.last_cloud_time:.1f}",
        "cloud_points": counters.cloud_points,
        "cloud_points_not_finite": counters.cloud_dropped_points,
        "scans_inserted": counters.scans_inserted,
        "scans_dropped": counters.scans_dropped,
        "scans_unplaced": counters.scans_unplaced,
        "map_voxels": counters.map_voxels,
        "images_skipped": counters.images_skipped,
        "voxels_removed": counters.voxels_removed,
        "detections_used": counters.detections_used,
        "detections_assigned": counters.detections_assigned,
        "detections_dropped": counters.detections_dropped,
        "detections_reason": counters.detections_reason,
        "presence_images": counters.presence_images,
        "objects_seen_through": counters.objects_seen_through,
        "presence_reason": counters.presence_reason,
        "thumbnails_taken": counters.thumbnails_taken,
        "thumbnails_reason": counters.thumbnails_reason,
        "views_drawn": counters.views_drawn,
        "views_dropped": counters.views_dropped,
        "views_reason": counters.views_reason,
        "voxels": counters.voxels,
        "tiles": counters.tiles,
        "tiles_computed": counters.tiles_computed,
        "inferences": counters.inferences,
        "inferences_skipped_unchanged": counters.inferences_skipped,
        "last_inference_s": f"{totals[-1]:.3f}" if totals else "",
        "mean_inference_s": f"{sum(totals) / len(totals):.3f}" if totals else "",
        "max_inference_s": f"{max(totals):.3f}" if totals else "",
        **{f"stage_{name}_ms": f"{1000 * value:.1f}" for name, value in counters.stage_seconds.items()},
        "tf_errors": counters.tf_errors,
        "last_error": counters.last_error,
        "save_error": counters.save_error,
        "publishers_of_input": "; ".join(f"{one.name} ({one.offer})" for one in publishers),
        "qos_incompatible": "; ".join(f"{one.name}: {one.refusal}" for one in publishers if one.refusal),
        "qos_latched_missed": "; ".join(one.name for one in publishers if one.misses_latched),
    }
    return [(key, printable(value)) for key, value in numbers.items()]
