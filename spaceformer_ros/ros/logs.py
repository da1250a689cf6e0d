# SPDX-License-Identifier: Apache-2.0
"""The core's log lines, and what breaks a lifecycle callback, through a node's logger."""

import functools
import logging


def forward_logging(node):
    """Send what the package logs to the node's logger, so that it reaches /rosout."""
    core = logging.getLogger("spaceformer_ros")
    core.handlers, core.propagate = [_RosHandler(node)], False
    core.setLevel(logging.INFO)


def log_failure(callback):
    """Log what goes wrong in a lifecycle callback: rclpy turns an exception into ERROR without a word."""

    @functools.wraps(callback)
    def logged(self, state):
        try:
            return callback(self, state)
        except Exception as error:
            self.get_logger().error(f"{callback.__name__}: {type(error).__name__}: {error}")
            raise

    return logged


class _RosHandler(logging.Handler):
    def __init__(self, node):
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record):
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
