"""ROS parameters made from config.py: declared with descriptors, validated when set, read back as a Config."""

import threading
from dataclasses import replace

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)

from .. import SpaceformerError
from ..config import Config, all_settings
from ..words.vocabulary_file import vocabulary_of
from .clocks import STEADY


def declare(node):
    """Declare every setting as a parameter of the node, with its default, range and description."""
    for _, info in all_settings():
        default = list(info.default) if isinstance(info.default, tuple) else info.default
        node.declare_parameter(info.name, default, _descriptor(info))


def _descriptor(info):
    unit = f" [{info.metadata['unit']}]" if info.metadata["unit"] else ""
    descriptor = ParameterDescriptor(description=info.metadata["text"] + unit)
    constraints = []
    if info.metadata["choices"]:
        constraints.append("one of: " + ", ".join(info.metadata["choices"]))
    if not info.metadata["dynamic"]:
        constraints.append("fixed while the node is configured")
    descriptor.additional_constraints = "; ".join(constraints)
    low, high = info.metadata["low"], info.metadata["high"]
    if info.type is float and low is not None:
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif info.type is int and low is not None:
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    return descriptor


def read(node):
    """The Config that the node's parameters spell out. Raises SpaceformerError."""
    return Config().with_values({info.name: _value(node.get_parameter(info.name)) for _, info in all_settings()})


def _value(parameter):
    value = parameter.value
    return value if isinstance(value, (str, bool, int, float)) else tuple(value)


def validate(node, changes, configured):
    """SetParametersResult for a list of rclpy Parameters about to be set; nothing is applied here."""
    ours = {info.name: info for _, info in all_settings()}
    values = {parameter.name: _value(parameter) for parameter in changes if parameter.name in ours}
    fixed = [name for name in values if configured and not ours[name].metadata["dynamic"]]
    if fixed:
        reason = f"{', '.join(fixed)} cannot change while the node is configured: deactivate and clean it up first"
        return SetParametersResult(successful=False, reason=reason)
    try:
        before = read(node)
        config = before.with_values(values)
        if config.vocabulary != before.vocabulary:
            vocabulary_of(config.vocabulary)
    except SpaceformerError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)


class LiveParameters:
    """Refuses what is wrong, and applies what was set while the node runs.

    However many changes come at once, one application is at work and one waits at most, and each takes the newest
    values: the last one wins, and a storm of changes keeps nobody from being answered.
    """

    def __init__(self, node):
        self._node, self._timer = node, None
        self._queue, self._applying = None, threading.Lock()  # the Background in which an application waits
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, changes):
        """Validate only; read a moment later, when all callbacks have agreed (works on Humble too)."""
        result = validate(self._node, changes, configured=self._node.worker is not None)
        if result.successful and self._timer is None:
            self._timer = self._node.create_timer(0.0, self._read, clock=STEADY)
        return result

    def _read(self):
        self._node.destroy_timer(self._timer)
        self._timer = None
        if self._node.worker is None:
            return
        self._node.config = read(self._node)
        self.apply_soon()

    def apply_soon(self):
        """Have the pipeline use the newest settings, on a pool thread: other words need the text model."""
        if self._queue is not self._node.background:
            self._queue = self._node.background
            self._queue.submit(self.apply)

    def apply(self):
        """Have the pipeline use the newest settings. Where the words cannot be had, the old ones stay."""
        with self._applying:
            self._queue = None
            pipeline, config = self._node.pipeline, self._node.config
            if pipeline is None or pipeline.config == config:
                return
            words = pipeline.config.vocabulary
            pipeline.config = replace(config, vocabulary=words)
            if config.vocabulary != words:
                self._node.use_vocabulary(vocabulary_of(config.vocabulary))
                pipeline.config = config
            elif (scene := pipeline.scene) is not None:
                self._node.publish_scene(scene)
