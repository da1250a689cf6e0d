# SPDX-License-Identifier: Apache-2.0
"""What differs between the rclpy of ROS 2 Humble, Jazzy, Kilted and Lyrical, and what none of them guards."""

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["SubscriptionEventCallbacks", "answer_invalid_transitions", "parameter_overrides"]


def parameter_overrides(node):
    """Dict name -> rclpy Parameter of the command line and of parameter files, also of names never declared."""
    return dict(node._parameter_overrides)  # no distro offers a public way


def answer_invalid_transitions(node):
    """Let a lifecycle node answer a transition that does not apply with success false: rclpy raises an exception out of
    the executor, which would end the process."""
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
