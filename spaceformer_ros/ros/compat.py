# SPDX-License-Identifier: Apache-2.0
"""Differences between the rclpy of ROS 2 Humble, Jazzy, Kilted and Lyrical, and workarounds for all of them."""

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from rcl_interfaces.msg import ParameterType, SetParametersResult

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
    """Let a node refuse names that it has no parameter for, with the nearest one, and types that ROS does not have.

    Without this, rclpy accepts the empty name, does not say which name is unknown, and never answers to a wrong type.
    """
    for service in node.services:
        kind = service.srv_name.rsplit("/", 1)[-1]
        if kind == "set_parameters":
            service.callback = _setting_each(node, service.callback)
        elif kind == "set_parameters_atomically":
            service.callback = _setting_all(node, service.callback)


def _setting_each(node, set_parameters):
    def answer(request, response):
        for parameter in request.parameters:
            if result := _refusal(node, parameter):
                response.results.append(result)
            else:
                set_parameters(type(request)(parameters=[parameter]), response)
        return response

    return answer


def _setting_all(node, set_parameters):
    def answer(request, response):
        refusals = filter(None, (_refusal(node, parameter) for parameter in request.parameters))
        if refused := next(refusals, None):
            response.result = refused
            return response
        return set_parameters(request, response)

    return answer


def _refusal(node, parameter):
    """SetParametersResult for a parameter message that cannot be set, None for others."""
    name, reason = printable(parameter.name), ""
    if not node.has_parameter(parameter.name):
        reason = f"there is no parameter {name!r}{suggestion(parameter.name[:200], settings_by_name())}"
    elif parameter.value.type not in PARAMETER_TYPES:
        reason = f"{name}: a value of type {parameter.value.type}, expected one of rcl_interfaces/msg/ParameterType"
    return SetParametersResult(successful=False, reason=reason) if reason else None
