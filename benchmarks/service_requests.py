# SPDX-License-Identifier: Apache-2.0
"""Hostile requests to every service of the running node, drawn by seed: what `benchmarks/fuzz.py` and a test send.

A request must be answered within SECONDS, in printable words and in a reply of bounded size; the node must live, and
answer an ordinary question afterwards.
"""

import contextlib
import importlib
import re
import tempfile

import numpy as np
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from std_srvs.srv import SetBool

from benchmarks.live_node import NodeState, live_node, resident_mib
from benchmarks.mutations import Outcome
from benchmarks.readers import YAML
from spaceformer_ros.config import all_settings
from spaceformer_ros.ros import interfaces
from spaceformer_ros.ros.limits import EMBED_SECONDS, MAX_MESSAGE_LENGTH
from spaceformer_ros.ros.services import WITH_CODE, WITHOUT_CODE
from spaceformer_ros.synthetic import RoomConfig, make_room

SECONDS = EMBED_SECONDS + 5  # for one reply
MEMORY = 300  # MiB by which the node may grow
MAX_REPLY = 32 << 20  # bytes of a reply
INVALID_TRANSITIONS = (0, 1, 2, 3, 5, 10, 99, 255)  # of an active node; valid ones would end the test
TEXTS = (
    *(
        "",
        " ",
        "sofa",
        "red chair",
        "x" * 300,
        "x" * 100_000,
        "a\nb\x1b[31m",
        "null\u0001",
        "\u202eevil",
        "{0} {x} %s%n",
    ),
    *("../scene.safetensors", "/etc/passwd", "~nosuchuser/x.safetensors", "new.safetensors", "map", "nowhere", "/map"),
    *("chair|couch", "|", "ünïcode", "'; drop table", "$(reboot)"),
)
INTEGERS = (0, 1, 2, 31, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
SIGNED = (-(2**31), -1, *INTEGERS[:7])  # of int32
BYTES = (*range(12), 255)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e30, -1e30, float("inf"), float("-inf"), float("nan"))
LENGTHS = (0, 0, 1, 2, 33, 200)
LONG = (1001, 12_000)  # of a list, now and then


def fuzz_services(rounds):
    """Send requests to a node in a process of its own. rounds: list of ranges of seeds; each begins with a new map.

    Returns (dict service -> list of (seed, Outcome), MiB of growth after each round, list of failures).
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        settings = {"cache_dir": f"{folder}/cache", "data_dir": f"{folder}/data", "max_queries_per_second": 0.0}
        client = stack.enter_context(live_node(warm_up="false", tf_timeout=0.05, **settings))
        client.wait_for_state(NodeState.WAITING_FOR_CLOUD)
        cloud = make_room(1, RoomConfig(width=(3.0, 3.2), depth=(3.0, 3.2), tours=(0, 0, 1))).cloud
        client.publish(cloud, 1)
        client.wait_for_state(NodeState.IDLE)
        before, outcomes, grown, failures = resident_mib(client.pid), {}, [], []
        for number, seeds in enumerate(rounds):
            if number:
                client.publish(cloud, 1 + number)
            for name, (kind, draw) in requests().items():
                rows = [(seed, *send(client, name, kind, draw(np.random.default_rng(seed)))) for seed in seeds]
                outcomes.setdefault(name, []).extend((seed, outcome) for seed, outcome, _ in rows)
                failures += [f"{name} seed {seed}: {problem}" for seed, _, problem in rows if problem]
            grown.append(resident_mib(client.pid) - before)
            failures += check_ordinary_use(client)
        if max(grown) > MEMORY:
            failures.append(f"the node grew by {max(grown):.0f} MiB")
        return outcomes, grown, failures


def check_ordinary_use(client):
    """Reset the parameters, segment the map and ask for its objects. Returns a list of failures."""
    defaults = [(info.name, info.default) for _, info in all_settings() if info.metadata["dynamic"]]
    values = [(name, list(value) if isinstance(value, tuple) else value) for name, value in defaults]
    changes = [Parameter(name, value=value).to_parameter_msg() for name, value in values]
    client.call(SetParameters, "set_parameters", parameters=changes)
    client.call(SetBool, "set_enabled", data=True)
    answers = {
        "segment_now": client.call(interfaces.SegmentNow, "segment_now", wait=True)[0],
        "get_instances": client.call(interfaces.GetInstances, "get_instances")[0],
    }
    return [
        f"{name} does not answer as usual afterwards: {reply and reply.message}"
        for name, reply in answers.items()
        if reply is None or reply.code != interfaces.ResultCode.OK
    ]


def requests():
    """Dict service name -> (type, function that draws the fields of a request from an rng)."""
    own = {name: kind for name, (kind, _) in {**WITH_CODE, **WITHOUT_CODE}.items()}
    drawn = {name: (kind, lambda rng, kind=kind: draw_fields(kind, rng)) for name, kind in own.items()}
    return {**drawn, "set_parameters": (SetParameters, draw_parameters), "change_state": (ChangeState, draw_transition)}


def draw_fields(kind, rng):
    """Fields of a request of this type: some of them drawn, the others at their defaults."""
    types, share = kind.Request.get_fields_and_field_types(), rng.choice([0.2, 0.5])
    return {name: _value(text, rng) for name, text in types.items() if rng.random() < share}


def _value(type_name, rng, hostile=0.6):
    """A value for a field; `hostile`: share of texts that are unusual."""
    if type_name.startswith("sequence<"):
        count, hostile = int(rng.choice(LONG if rng.random() < 0.02 else LENGTHS)), float(rng.choice([0.0, 0.02, 0.6]))
        return [_value(type_name[9:-1], rng, hostile) for _ in range(count)]
    if array := re.fullmatch(r"(.+)\[(\d+)\]", type_name):
        return [_value(array[1], rng, hostile) for _ in range(int(array[2]))]
    if "/" in type_name:
        package, name = type_name.split("/")
        kind = getattr(importlib.import_module(f"{package}.msg"), name)
        return kind(**{field: _value(part, rng) for field, part in kind.get_fields_and_field_types().items()})
    if type_name == "string":
        return TEXTS[int(rng.integers(len(TEXTS)))] if rng.random() < hostile else f"thing {rng.integers(9999)}"
    if type_name == "boolean":
        return bool(rng.random() < 0.5)
    if type_name == "uint8":
        return int(rng.choice(BYTES))
    if "int" in type_name:
        return int(rng.choice(INTEGERS if type_name.startswith("uint") else SIGNED))
    return float(rng.choice(NUMBERS))


def draw_parameters(rng):
    """One to three changes of parameters to values of any type."""
    rows = all_settings()
    values = [*TEXTS[:12], *map(int, INTEGERS), *NUMBERS, True, [""], [1.0, 2.0], ["a", "a"], [*YAML.values()][:3]]
    changes = []
    for _ in range(int(rng.integers(1, 4))):
        _, info = rows[int(rng.integers(len(rows)))]
        value = info.default if rng.random() < 0.3 else values[int(rng.integers(len(values)))]
        value = list(value) if isinstance(value, tuple) else value
        changes.append(Parameter(info.name, value=value).to_parameter_msg())
    return {"parameters": changes}


def draw_transition(rng):
    """A transition that an active node does not have."""
    return {"transition": Transition(id=int(rng.choice(INVALID_TRANSITIONS)), label=str(rng.choice(TEXTS[3:8])))}


def send(client, name, kind, fields):
    """Send one request. Returns (Outcome, what is wrong or "")."""
    reply, seconds = client.call(kind, name, patience=SECONDS, **fields)
    if reply is None:
        return Outcome("no reply", seconds, 0), f"no reply within {seconds:.0f} s"
    size = len(serialize_message(reply))
    return Outcome(describe(reply), seconds, size), problem_of(reply, size)


def describe(reply):
    """The outcome of a reply in a word."""
    if hasattr(reply, "code"):
        return code_names()[reply.code]
    if hasattr(reply, "results"):
        return "set" if all(result.successful for result in reply.results) else "refused"
    return "success" if reply.success else "refused"


def problem_of(reply, size):
    """What is wrong with a reply of `size` bytes, or ""."""
    texts = [getattr(reply, "message", ""), *(result.reason for result in getattr(reply, "results", ()))]
    if getattr(reply, "code", 0) == interfaces.ResultCode.INTERNAL_ERROR:
        return f"internal error: {reply.message[:200]}"
    if not all(text.isprintable() and len(text) <= 2 * MAX_MESSAGE_LENGTH for text in texts):
        return f"a message of {max(map(len, texts))} characters, or one that cannot be printed"
    return f"a reply of {size} bytes" if size > MAX_REPLY else ""


def code_names():
    """Dict value -> name of the constants of ResultCode."""
    constants = {name: getattr(interfaces.ResultCode, name) for name in dir(interfaces.ResultCode) if name.isupper()}
    return {value: name for name, value in constants.items() if isinstance(value, int)}
