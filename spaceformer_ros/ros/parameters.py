# SPDX-License-Identifier: Apache-2.0
"""ROS parameters generated from config.py: declared with descriptors, validated when set, read as a Config."""

import threading
from dataclasses import replace

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterValueException
from rclpy.parameter import Parameter

from .. import SpaceformerError
from ..config import Config, all_settings
from ..disk.paths import default_data_folder
from ..scene.data_dir import scene_path
from ..words.vocabulary_file import vocabulary_of
from . import qos
from .clocks import STEADY
from .compat import parameter_overrides
from .limits import FILE_SECONDS
from .parameter_files import unknown_parameters
from .text import describe_error, printable
from .time_limit import TimeLimit

DEFAULT_NAME = "spaceformer"  # of the node, without a namespace


def declare(node):
    """Declare every setting as a parameter of the node, with its default, range and description.

    Returns a dict name -> message for each initial value that is invalid and was replaced by the default.
    """
    refused = {}
    for _, info in all_settings():
        default = list(info.default) if isinstance(info.default, tuple) else info.default
        try:
            node.declare_parameter(info.name, default, _descriptor(info))
        except InvalidParameterValueException as error:
            node.declare_parameter(info.name, default, _descriptor(info), ignore_override=True)
            refused[info.name] = f"{info.name}: {printable(error)}"
    for text in unknown_parameters(node, [info.name for _, info in all_settings()]):
        node.get_logger().warning(text)
    return refused


def _descriptor(info):
    unit = f" [{info.metadata['unit']}]" if info.metadata["unit"] else ""
    # Dynamic typing: integers are accepted for floats, and an empty list has no type; `validate` checks the types.
    descriptor = ParameterDescriptor(description=info.metadata["text"] + unit, dynamic_typing=True)
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
    """The Config of the node's parameters. Raises SpaceformerError."""
    values = {info.name: _value(node.get_parameter(info.name), info) for _, info in all_settings()}
    own_name = node.get_fully_qualified_name().strip("/")
    if not values["data_dir"] and own_name != DEFAULT_NAME:  # several robots on one machine must not share scenes
        values["data_dir"] = str(default_data_folder() / own_name)
    return Config().with_values(values)


def _value(parameter, info):
    """The value of a Parameter; a list without a type is an empty one."""
    value = parameter.value
    if value is None and info.type is tuple:
        return ()
    is_scalar = value is None or isinstance(value, (str, bool, int, float))
    return value if is_scalar else tuple(value)  # rclpy returns lists, tuples or arrays


def validate(node, changes, configured, file_limit):
    """SetParametersResult for a list of rclpy Parameters about to be set; nothing is applied here.

    file_limit: the TimeLimit of a vocabulary_file.
    """
    ours = {info.name: info for _, info in all_settings()}
    values = {p.name: _value(p, ours[p.name]) for p in changes if p.name in ours}
    if not values:  # for example the sixty qos_overrides, which are declared one by one
        return SetParametersResult(successful=True)
    fixed = [
        name
        for name, value in values.items()
        if configured and not ours[name].metadata["dynamic"] and value != _value(node.get_parameter(name), ours[name])
    ]
    if fixed:
        reason = f"{', '.join(fixed)} cannot change while the node is configured: deactivate and clean it up first"
        return SetParametersResult(successful=False, reason=reason)
    try:
        before = read(node)
        config = before.with_values(values)
        if config.vocabulary != before.vocabulary:
            file_limit.call(vocabulary_of, config.vocabulary)
    except Exception as error:  # an exception in this callback would end the process
        return SetParametersResult(successful=False, reason=describe_error(error))
    return SetParametersResult(successful=True)


UNDECISIVE = {  # run-time settings that the instances of a cloud do not depend on
    "input": {"input_timeout": 0.0, "min_update_interval": 0.0, "change_threshold": 0.0},
    "tiling": {"publish_partial": False, "max_memory_gb": 0.0},
    "postprocess": {"score_threshold": 0.0, "confidence_threshold": 0.0},
}


def _decisive(config):
    """The settings of a Config that decide about the instances of a cloud."""
    return [replace(getattr(config, group), **without) for group, without in UNDECISIVE.items()]


class LiveParameters:
    """Applies parameters that change while the node runs.

    Changes are coalesced: one application runs, one is pending; each applies the newest values.
    """

    def __init__(self, node, settings, refused):
        """node: has `session`, the current Session or None; settings: its Settings; refused: see `declare`."""
        self._node = node
        self._refused = refused
        self._settings = settings
        self._timer = None  # of an accepted change that is not read yet
        self._applying = threading.Lock()
        self._applied = Config()  # the settings that pipeline and published scene are based on
        self._reporting = False
        self._file_limit = TimeLimit(FILE_SECONDS, "vocabulary_file")
        node.add_on_set_parameters_callback(self._on_set)

    def read_all(self):
        """The Config of all parameters; the vocabulary is read to check it.

        Raises SpaceformerError, also for a start value that was refused and not replaced since.
        """
        if self._refused:
            raise SpaceformerError("; ".join(self._refused.values()))
        qos.check_overrides(parameter_overrides(self._node))
        config = read(self._node)
        self._file_limit.call(vocabulary_of, config.vocabulary)
        try:
            self._file_limit.call(scene_path, "", config.storage)
        except SpaceformerError as error:
            raise SpaceformerError(f"data_dir, scene_file: {error}") from error
        return config

    def report_vocabulary(self, vocabulary):
        """Set the parameters to the Vocabulary in use, without applying them. Call from the executor's thread."""
        labels, background = vocabulary.entries()
        values = {"vocabulary": tuple(labels), "background_labels": tuple(background) or ("",)}
        self._settings.config = self._settings.config.with_values(values)
        self._applied = replace(self._applied, vocabulary=self._settings.config.vocabulary)
        changes = [Parameter(name, Parameter.Type.STRING_ARRAY, list(value)) for name, value in values.items()]
        self._reporting = True
        try:
            self._node.set_parameters_atomically(changes)
        finally:
            self._reporting = False

    def on_loaded(self, config):
        """Apply what has changed since the pipeline was built with `config`."""
        self._applied = config
        self._apply_soon()

    def _apply_soon(self):
        """Apply the current settings on a pool thread: another vocabulary needs the text model."""
        session = self._node.session
        if session is not None and not session.has_pending_parameters:
            session.has_pending_parameters = True
            session.background.submit(self._apply, session, lane="settings")

    def _on_set(self, changes):
        """Validate only. The values are read by a timer, after all parameter callbacks have accepted them."""
        if self._reporting:
            return SetParametersResult(successful=True)
        result = validate(self._node, changes, self._node.session is not None, self._file_limit)
        if result.successful:
            for parameter in changes:
                self._refused.pop(parameter.name, None)
        if result.successful and self._timer is None and self._node.session is not None:
            self._timer = self._node.create_timer(0.0, self._read, clock=STEADY)
        return result

    def _read(self):
        self._node.destroy_timer(self._timer)
        self._timer = None
        if self._node.session is not None:
            self._settings.config = read(self._node)
            self._apply_soon()

    def _apply(self, session):
        """Relabel and publish with the newest settings. If the labels cannot be embedded, the old ones stay in use."""
        perception = session.perception
        with self._applying:
            session.has_pending_parameters = False
            while perception.pipeline is not None and self._applied != (config := self._settings.config):
                if _decisive(config) != _decisive(self._applied):
                    perception.segment_again()
                if config.vocabulary != self._applied.vocabulary:
                    perception.set_vocabulary(vocabulary_of(config.vocabulary))
                elif (scene := perception.pipeline.scene) is not None:
                    self._applied = config  # also if publishing fails: the next change then publishes again
                    perception.publish_scene(scene)
                self._applied = config
