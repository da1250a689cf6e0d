"""QoS profiles, named once, and how the input subscription adapts to its publishers."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
TRANSIENT_LOCAL, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE


def profile(reliability, durability, depth=1):
    """Keep-last profile."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


LATCHED = profile(RELIABLE, TRANSIENT_LOCAL)  # late joiners get the last message
EVENTS = profile(RELIABLE, VOLATILE, depth=10)
STREAM = profile(BEST_EFFORT, VOLATILE)  # the newest or nothing

INPUT = {
    "reliable": (RELIABLE, VOLATILE),
    "best_effort": (BEST_EFFORT, VOLATILE),
    "latched": (RELIABLE, TRANSIENT_LOCAL),
}


def input_profile(mode, publishers, depth=1):
    """Profile of the cloud subscription. mode: setting input_qos; publishers: their endpoint infos; depth: messages
    that may wait for the executor (maps need only the newest).

    "auto" asks for as much as all publishers offer: reliable if all are, latched clouds if all keep them. Without
    publishers it asks for nothing, which is compatible with whatever comes, and is chosen again when one comes.
    """
    if mode != "auto":
        return profile(*INPUT[mode], depth)
    offers = [info.qos_profile for info in publishers]
    reliable = bool(offers) and all(offer.reliability == RELIABLE for offer in offers)
    latched = reliable and all(offer.durability == TRANSIENT_LOCAL for offer in offers)
    return profile(RELIABLE if reliable else BEST_EFFORT, TRANSIENT_LOCAL if latched else VOLATILE, depth)


def compatible(offered, requested):
    """Whether a publisher's profile satisfies a subscription's."""
    reliable = requested.reliability != RELIABLE or offered.reliability == RELIABLE
    latched = requested.durability != TRANSIENT_LOCAL or offered.durability == TRANSIENT_LOCAL
    return reliable and latched


def describe(qos):
    """A profile in words, e.g. "reliable, transient_local"."""
    return f"{qos.reliability.name.lower()}, {qos.durability.name.lower()}"


def publisher_rows(publishers, requested):
    """Rows (node name, QoS in words, compatible) of the publishers of a topic."""
    return [
        (
            f"{info.node_namespace.rstrip('/')}/{info.node_name}",
            describe(info.qos_profile),
            compatible(info.qos_profile, requested),
        )
        for info in publishers
    ]
