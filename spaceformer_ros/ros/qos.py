# SPDX-License-Identifier: Apache-2.0
"""The QoS profiles of all topics, and the adaptation of the input subscription to its publishers."""

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSCompatibility,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from .. import SpaceformerError
from .health import Publisher
from .limits import MAX_PENDING
from .text import printable

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
TRANSIENT_LOCAL, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE


def profile(reliability, durability, depth=1):
    """Keep-last profile."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


LATCHED = profile(RELIABLE, TRANSIENT_LOCAL)  # late joiners get the last message
EVENTS = profile(RELIABLE, VOLATILE, depth=10)
STREAM = profile(BEST_EFFORT, VOLATILE)  # latest message only, may be lost

SERVICE = profile(RELIABLE, VOLATILE, depth=MAX_PENDING)

CLOUD = "sensor_msgs/msg/PointCloud2"
MAX_DEPTH = 1000  # messages of an overridden queue
OVERRIDABLE = {  # the policies that `overridable` allows to change, besides the depth
    "history": ("keep_last", "keep_all"),
    "reliability": ("reliable", "best_effort"),
    "durability": ("transient_local", "volatile"),
}
INPUT = {
    "reliable": (RELIABLE, VOLATILE),
    "best_effort": (BEST_EFFORT, VOLATILE),
    "latched": (RELIABLE, TRANSIENT_LOCAL),
}


def overridable():
    """Options of a publisher whose QoS can be changed by parameters, e.g.
    `qos_overrides./spaceformer/instances.publisher.depth`; they are declared when the publisher is created."""
    kinds = QoSPolicyKind
    return QoSOverridingOptions((kinds.HISTORY, kinds.DEPTH, kinds.RELIABILITY, kinds.DURABILITY))


def latched_publisher(node, kind, name, depth=1):
    """A publisher of ~/name whose latest messages are kept for late subscribers; users may override its QoS."""
    latched = profile(RELIABLE, TRANSIENT_LOCAL, depth)  # a new object: rclpy writes overrides into it
    return node.create_publisher(kind, f"~/{name}", latched, qos_overriding_options=overridable())


def check_overrides(parameters):
    """Refuse initial values of `qos_overrides` parameters that no publisher can use, before there is a publisher.

    parameters: dict name -> rclpy Parameter. Raises SpaceformerError.
    """
    for name, parameter in sorted(parameters.items()):
        if not name.startswith("qos_overrides."):
            continue
        policy, value = name.rsplit(".", 1)[-1], parameter.value
        if policy == "depth":
            usable, expected = type(value) is int and 1 <= value <= MAX_DEPTH, f"an integer from 1 to {MAX_DEPTH}"
        else:
            choices = OVERRIDABLE.get(policy)
            if choices is None:
                raise SpaceformerError(f"{printable(name)}: expected one of depth, {', '.join(OVERRIDABLE)} at its end")
            usable, expected = value in choices, f"one of {', '.join(choices)}"
        if not usable:
            raise SpaceformerError(f"{printable(name)} is {printable(value)!r}, expected {expected}")


def input_profile(mode, publishers, depth=1):
    """Profile of the cloud subscription.

    mode: parameter input_qos. "auto" requests as much as all publishers offer: reliable if all are, transient_local if
        all are. Without publishers it requests best_effort and volatile, which matches every publisher.
    publishers: endpoint infos of the publishers.
    depth: messages that may wait for the executor.
    """
    if mode != "auto":
        return profile(*INPUT[mode], depth)
    offers = [info.qos_profile for info in publishers if info.topic_type == CLOUD]
    reliable = bool(offers) and all(offer.reliability == RELIABLE for offer in offers)
    latched = reliable and all(offer.durability == TRANSIENT_LOCAL for offer in offers)
    return profile(RELIABLE if reliable else BEST_EFFORT, TRANSIENT_LOCAL if latched else VOLATILE, depth)


def describe(qos):
    """A profile in words, e.g. "reliable, transient_local"."""
    return f"{qos.reliability.name.lower()}, {qos.durability.name.lower()}"


def compare_publishers(publishers, requested, expected=CLOUD):
    """QoS that each publisher of an input topic offers, and whether a subscription with a profile hears it.

    publishers: endpoint infos; expected: type of the subscription. Returns a list of health.Publisher.
    """
    rows = []
    for info in publishers:
        offer, refusal, cure = info.qos_profile, why_refused(info.qos_profile, requested), "set input_qos to auto"
        if info.topic_type != expected:
            refusal, cure = f"it publishes {info.topic_type}, this node expects {expected}", "remap the topic of one"
        latches, lossy = offer.durability == TRANSIENT_LOCAL, offer.reliability == BEST_EFFORT
        misses_latched = latches and not lossy and not refusal and requested.durability != TRANSIENT_LOCAL
        name = f"{info.node_namespace.rstrip('/')}/{info.node_name}"
        said = refusal, cure if refusal else ""
        rows.append(Publisher(name, describe(offer), *said, misses_latched, latches and lossy))
    return rows


def why_refused(offer, requested):
    """Why a subscription receives nothing from a publisher: offered and requested QoS in words; "" if it does."""
    if qos_check_compatible(offer, requested)[0] != QoSCompatibility.ERROR:
        return ""
    pairs = []
    if requested.reliability == RELIABLE and offer.reliability == BEST_EFFORT:
        pairs.append("best_effort, this node requests reliable")
    if requested.durability == TRANSIENT_LOCAL and offer.durability == VOLATILE:
        pairs.append("volatile, this node requests transient_local")
    return "it offers " + ("; it offers ".join(pairs) or f"{describe(offer)}, this node requests {describe(requested)}")
