# SPDX-License-Identifier: Apache-2.0
"""Differences between the rclpy of ROS 2 Humble, Jazzy, Kilted and Lyrical, and workarounds for all of them."""

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["SubscriptionEventCallbacks", "answer_invalid_transitions", "parameter_overrides"]


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
