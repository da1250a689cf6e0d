"""ROS parameters made from config.py: declared with descriptors, validated when set, read back as a Config."""

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)

from .. import SpaceformerError
from ..config import Config, all_settings


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
        read(node).with_values(values)
    except SpaceformerError as error:
        return SetParametersResult(successful=False, reason=str(error))
    return SetParametersResult(successful=True)
