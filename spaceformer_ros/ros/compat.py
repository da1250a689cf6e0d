# SPDX-License-Identifier: Apache-2.0
"""Differences between the rclpy of ROS 2 Humble, Jazzy, Kilted and Lyrical, and workarounds for all of them."""

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from rcl_interfaces.msg import ParameterType, SetParametersResult
from rclpy.parameter import Parameter

from .. import suggestion
from ..config import settings_by_name
from .text import printable

__all__ = [
    "SubscriptionEventCallbacks",
    "answer_invalid_parameters",
    "answer_invalid_transitions",
    "parameter_overrides",
]
PARAMETER_TYPES = range(ParameterType.PARAMETER_STRING_ARRAY + 1)


def parameter_overrides(node):
    """Dict name -> rclpy Parameter from the command line and parameter files, including undeclared names."""
    return dict(node._parameter_overrides)  # no distribution has a public method for this


def answer_invalid_transitions(node):
    """Let a lifecycle node reply with success false to an invalid transition. Without this, rclpy raises an exception
    out of the executor, which ends the process."""
    for service in node.services:
        if service.srv_name.rsplit("/", 1)[-1] == "change_state":
            service.callback = _answering(node, service.callback)


def _answering(node, change_state):
    def answer(request, response):
        try:
            return change_state(request, response)
        except Exception as error:
            transition = request.transition
            node.get_logger().warning(f"transition {transition.label or transition.id!r} refused: {error}")
            response.success = False
            return response

    return answer


def answer_invalid_parameters(node):
    """Let a node refuse names that it has no parameter for, with the nearest one, types that ROS does not have, and
    deletions; accept what is set already, also of read-only parameters; and describe parameters by their own types.

    Without this, rclpy accepts the empty name, does not say which name is unknown, never answers to a wrong type,
    refuses to load what `ros2 param dump` wrote, and describes a parameter by the type of the last attempt to set it.
    """
    for service in node.services:
        kind = service.srv_name.rsplit("/", 1)[-1]
        if kind == "set_parameters":
            service.callback = _setting_each(node, service.callback)
        elif kind == "set_parameters_atomically":
            service.callback = _setting_all(node, service.callback)
        elif kind == "describe_parameters":
            service.callback = _describing(service.callback)


def _setting_each(node, set_parameters):
    def answer(request, response):
        for parameter in request.parameters:
            if _is_done(node, parameter):
                response.results.append(SetParametersResult(successful=True))
            elif result := _refusal(node, parameter):
                response.results.append(result)
            else:
                set_parameters(type(request)(parameters=[parameter]), response)
        return response

    return answer


def _setting_all(node, set_parameters):
    def answer(request, response):
        request.parameters = [parameter for parameter in request.parameters if not _is_done(node, parameter)]
        refusals = filter(None, (_refusal(node, parameter) for parameter in request.parameters))
        if refused := next(refusals, None):
            response.result = refused
            return response
        return set_parameters(request, response)

    return answer


def _describing(describe_parameters):
    def answer(request, response):
        response = describe_parameters(request, response)
        for descriptor in response.descriptors:
            if descriptor.name in settings_by_name():
                descriptor.type = Parameter(descriptor.name, value=default_of(descriptor.name)).type_.value
        return response

    return answer


def _is_set(node, parameter):
    """Whether a parameter message has the value that the parameter has already."""
    return node.has_parameter(parameter.name) and (
        node.get_parameter(parameter.name).get_parameter_value() == parameter.value
    )


def _is_done(node, parameter):
    """Whether a parameter that is not ours, which may be read-only, has the value of a message already."""
    return parameter.name not in settings_by_name() and _is_set(node, parameter)


def default_of(name):
    """The default of a setting as ROS takes it."""
    default = settings_by_name()[name][1].default
    return list(default) if isinstance(default, tuple) else default


def _refusal(node, parameter):
    """SetParametersResult for a parameter message that cannot be set, None for others."""
    name, reason = printable(parameter.name), ""
    if not node.has_parameter(parameter.name):
        reason = f"there is no parameter {name!r}{suggestion(parameter.name[:200], settings_by_name())}"
    elif parameter.value.type not in PARAMETER_TYPES:
        reason = f"{name}: a value of type {parameter.value.type}, expected one of rcl_interfaces/msg/ParameterType"
    elif parameter.value.type == ParameterType.PARAMETER_NOT_SET and not _is_set(node, parameter):
        cure = f": set it to its default, {default_of(name)!r}" if name in settings_by_name() else ""
        reason = f"{name} cannot be deleted{cure}"
    return SetParametersResult(successful=False, reason=reason) if reason else None
