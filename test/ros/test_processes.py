# SPDX-License-Identifier: Apache-2.0
"""The node as a process, with a real checkpoint and a real text model: start, signals, exit codes."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers.fakes import BLUE, GREEN, RED
from helpers.paths import SCRIPTS
from helpers.ros import PATIENCE, wait_until
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from spaceformer_ros.ros import interfaces
from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL, save_checkpoint
from spaceformer_ros.words.similarity import Similarity

NodeState = interfaces.NodeState
FLOATS = b"".join(b"property float %s\n" % name for name in (b"x", b"y", b"z"))

pytestmark = pytest.mark.process


@pytest.fixture
def checkpoint(tmp_path, tiny_model):
    """A checkpoint with random weights that fits the real text model."""
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, tiny_model(text_channels=384), DEMO_TEXT_MODEL, Similarity(True, 20.0))
    return path


@pytest.fixture
def launch(text_cache):
    """A function that starts the node's process; it is killed at the end of the test if it still runs."""
    processes = []

    def make(program=SCRIPTS / "spaceformer_node", extra=(), **parameters):
        parameters = {"cache_dir": text_cache, "offline": "true", "vocabulary": "[chair, sofa]", **parameters}
        arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
        command = [sys.executable, str(program), "--ros-args", *extra, *arguments]
        command = ["env", "--default-signal=HUP", *command]  # tests may run under nohup
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy()))
        return processes[-1]

    yield make
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def reaches(states, state):
    wait_until(lambda: any(s.state == state for s in states), f"state {state}")


def catches_sigterm(process):
    """Whether rclpy has taken over the signals: an unconfigured node publishes nothing to wait for."""
    (row,) = re.findall(r"SigCgt:\s*(\w+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())
    return int(row, 16) >> (signal.SIGTERM - 1) & 1


def has_loaded(process, library):
    """Whether a process has mapped a shared library, given by a part of its file name: how far its start has got."""
    return library in pathlib.Path(f"/proc/{process.pid}/maps").read_text()


def stop(process, number=signal.SIGTERM):
    process.send_signal(number)
    code = process.wait(PATIENCE)
    errors = process.stderr.read()
    assert code == 0, errors
    assert "Traceback" not in errors, errors


def test_from_start_to_result_with_real_models(launch, client, states, box_cloud, checkpoint):
    instances = client.listen("/spaceformer/instances", interfaces.InstanceArray)
    vocabulary = client.listen("/spaceformer/vocabulary", interfaces.Vocabulary)
    process = launch(checkpoint=checkpoint, score_threshold="0.0", vocabulary="['']")
    reaches(states, NodeState.WAITING_FOR_CLOUD)
    client.publish(box_cloud([((0, 0, 0.5), (0.6, 0.6, 1.0), RED), ((2, 0, 0.4), (1.5, 0.8, 0.8), GREEN)]))
    array = wait_until(lambda: instances and instances[-1], "instances")
    assert array.map_revision == 1
    assert "fire extinguisher" in vocabulary[-1].labels
    first = client.call(interfaces.GetInstances, "get_instances", with_embeddings=True)
    client.publish(box_cloud([((5, 5, 0.4), (0.4, 0.4, 0.8), BLUE)], stamp_ns=2_000_000_000))
    wait_until(lambda: instances[-1].map_revision == 2, "the second result")
    assert len(first.result.instances[0].embedding) == 384
    vectors = client.call(interfaces.EmbedText, "embed_text", texts=["sofa", "couch"])
    a, b = np.array(vectors.values).reshape(2, 384)
    assert a @ b > 0.8
    texts = [s.text for s in states if s.state == NodeState.LOADING]  # some may have passed before we listened
    assert all(text.startswith(("loading", "embedding", "warming up", "publishing")) for text in texts)
    stop(process, signal.SIGINT)


@pytest.mark.parametrize("moment", ["unconfigured", "inactive", "loading", "waiting", "after an error"])
def test_a_signal_ends_it_cleanly_in_every_state(launch, client, states, checkpoint, moment):
    if moment == "unconfigured":
        process = launch(checkpoint=checkpoint, autostart="false")
        wait_until(lambda: catches_sigterm(process), "the node")
    elif moment == "inactive":
        process = launch(checkpoint=checkpoint, autostart="false")
        configure = Transition(id=Transition.TRANSITION_CONFIGURE)
        client.call_later(ChangeState, "change_state", transition=configure)
        reaches(states, NodeState.READY)
    elif moment == "loading":
        process = launch(checkpoint=checkpoint)
        wait_until(lambda: has_loaded(process, "libtorch_cpu"), "the import of torch")
    elif moment == "waiting":
        process = launch(checkpoint=checkpoint)
        reaches(states, NodeState.WAITING_FOR_CLOUD)
    else:
        process = launch(checkpoint="/nowhere.safetensors")
        reaches(states, NodeState.ERROR)
        assert "no such file" in states[-1].text
    stop(process, signal.SIGHUP if moment == "unconfigured" else signal.SIGTERM)


def test_a_signal_cancels_a_running_inference(launch, client, states, box_cloud, checkpoint):
    process = launch(checkpoint=checkpoint)
    reaches(states, NodeState.WAITING_FOR_CLOUD)
    rng = np.random.default_rng(0)
    cloud = box_cloud([(rng.uniform(-40, 40, 3), (8.0, 8.0, 8.0), RED) for _ in range(12)], points=60_000)
    client.publish(cloud)
    reaches(states, NodeState.RUNNING)
    begun = time.monotonic()
    stop(process)
    assert time.monotonic() - begun < 12


SLOW_TEXTS = """
import time
from spaceformer_ros.ros.node import main
from spaceformer_ros.words.text_model import TextEncoder

encode = TextEncoder.encode
TextEncoder.encode = lambda self, texts: [time.sleep(10) for text in texts if "slow" in text] or encode(self, texts)
main()
"""


@pytest.mark.parametrize("moment", ["request", pytest.param("loading", marks=pytest.mark.slow)])
def test_a_signal_does_not_wait_for_texts_that_are_embedded(launch, client, states, checkpoint, tmp_path, moment):
    program = tmp_path / "slow_texts.py"
    program.write_text(SLOW_TEXTS)
    if moment == "loading":
        many = "[" + ", ".join(f"slow {i}" for i in range(16)) + "]"
        process = launch(program, checkpoint=checkpoint, vocabulary=many)
        wait_until(lambda: states and states[-1].text.startswith("embedding"), "the embedding")
    else:
        process = launch(program, checkpoint=checkpoint)
        reaches(states, NodeState.WAITING_FOR_CLOUD)
        client.call(interfaces.EmbedText, "embed_text", texts=["sofa"])  # connects
        client.call_later(interfaces.EmbedText, "embed_text", texts=[f"slow {i}" for i in range(1000)])
        time.sleep(0.2)
    begun = time.monotonic()
    stop(process)
    assert time.monotonic() - begun < 12


def test_parameters_for_another_node_are_reported(launch, checkpoint, tmp_path):
    (tmp_path / "wrong.yaml").write_text("spaceformr:\n  ros__parameters:\n    autostart: false\n")
    extra = ("--params-file", str(tmp_path / "wrong.yaml"))
    process = launch(extra=extra, checkpoint=checkpoint, autostart="false", device_="cpu")
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "wrong.yaml" in line:
            break
    assert "did you mean /spaceformer instead of /spaceformr?" in lines[-1]
    assert any("there is no parameter 'device_', did you mean 'device'?" in line for line in lines), lines
    stop(process)


def test_a_bad_parameter_at_the_start_is_named(launch, checkpoint):
    process = launch(checkpoint=checkpoint, autostart="0")  # refused, not taken as false
    assert any("autostart: 0 is not true or false" in line for line in process.stderr)
    stop(process, signal.SIGINT)


@pytest.mark.parametrize("library", ["libc.so", "_multiarray_umath", "librcl.so", "librmw_fastrtps"])
def test_a_signal_while_the_process_starts_is_no_error(launch, checkpoint, library):
    process = launch(checkpoint=checkpoint)
    wait_until(lambda: has_loaded(process, library), library)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) in (0, -signal.SIGTERM)  # the latter before ROS has taken over the signals
    assert "Traceback" not in process.stderr.read()


INTERRUPTED = """
import os, signal, sys
import rclpy
initialise = rclpy.init
rclpy.init = lambda **given: os.kill(os.getpid(), signal.SIGINT) or initialise(**given)
from spaceformer_ros.ros.{program} import main
main()
"""


@pytest.mark.parametrize(("program", "arguments"), [("node", ()), ("publish_cloud", ("room.ply",))])
def test_ctrl_c_just_before_ros_takes_over_is_not_lost(tmp_path, program, arguments):
    (tmp_path / "room.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 1\n" + FLOATS + b"end_header\n0 0 0\n")
    command = [sys.executable, "-c", INTERRUPTED.format(program=program), *arguments]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


def test_a_signal_saves_and_the_next_process_answers_without_a_cloud(
    launch, client, states, box_cloud, checkpoint, tmp_path
):
    instances = client.listen("/spaceformer/instances", interfaces.InstanceArray)
    storage = {"data_dir": tmp_path, "save_on_shutdown": "true", "load_on_start": "true", "score_threshold": "0.0"}
    process = launch(checkpoint=checkpoint, **storage)
    reaches(states, NodeState.WAITING_FOR_CLOUD)
    client.publish(box_cloud([((0, 0, 0.5), (0.6, 0.6, 1.0), RED), ((2, 0, 0.4), (1.5, 0.8, 0.8), GREEN)]))
    before = wait_until(lambda: instances and instances[-1], "instances")
    client.stop_publishing()
    stop(process, signal.SIGHUP)  # as when a connection over ssh breaks; then as by SIGTERM
    assert (tmp_path / "scene.safetensors").is_file()
    launch(checkpoint=checkpoint, **storage)
    after = wait_until(lambda: len(instances) > 1 and instances[-1], "the loaded scene")
    assert repr(after) == repr(before)  # NaN is not equal to itself


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "roi:=[0, 0, 0, 1.5, 1, 1]"], "write all values of a list alike"),
        (["-p", "use_sim_time:=maybe"], "'use_sim_time' to 'maybe'"),
        (["--params-file", "/nowhere.yaml"], "Couldn't parse params file"),
    ],
)
def test_arguments_that_ros_refuses_end_in_one_sentence(launch, arguments, words):
    process = launch(extra=arguments, autostart="false")
    assert process.wait(PATIENCE) == 1
    errors = process.stderr.read()
    assert words in errors
    assert "Traceback" not in errors
