"""What one request, cloud or setting leaves for the next, also where they overlap: state, scene, markers, words."""

import threading

import pytest
from fakes import ROOM
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2

from spaceformer_ros.ros import interfaces

from .conftest import wait_until

NodeState = interfaces.NodeState


@pytest.fixture
def instances(client):
    return client.listen("/spaceformer/instances", interfaces.InstanceArray)


@pytest.fixture
def segmented(start, client, instances, box_cloud):
    """A node that has segmented ROOM."""
    node = start()
    client.publish(box_cloud(ROOM))
    wait_until(lambda: instances, "instances")
    return node


def set_parameters(client, **values):
    changes = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    results = client.call(SetParameters, "set_parameters", parameters=changes).results
    assert all(result.successful for result in results), results


class Gate:
    """Holds every call of a method until it is opened."""

    def __init__(self, owner, name):
        self._method, self._entered, self._open = getattr(owner, name), threading.Event(), threading.Event()
        setattr(owner, name, self)

    def __call__(self, *arguments, **keywords):
        self._entered.set()
        assert self._open.wait(20)
        return self._method(*arguments, **keywords)

    def wait(self):
        """Until a call is held."""
        assert self._entered.wait(20)

    def open(self):
        self._open.set()


def test_a_good_cloud_ends_an_error_though_it_is_the_last_one_again(segmented, client, states, box_cloud):
    client.publish(PointCloud2())
    wait_until(lambda: states and states[-1].state == NodeState.ERROR, "the state ERROR")
    client.publish(box_cloud(ROOM))
    wait_until(lambda: states[-1].state == NodeState.IDLE, "the state IDLE")
    assert segmented.counters.last_error == ""
    assert segmented.pipeline.segmenter.runs == 1
