# SPDX-License-Identifier: Apache-2.0
"""Forward the package's logging, and errors of lifecycle callbacks, to a node's logger."""

import functools
import logging

from .text import describe_error, printable

MAX_LINE_LENGTH = 2000  # characters of a log line


def forward_logging(node):
    """Forward log records of the package to the node's logger, so that they reach /rosout."""
    core = logging.getLogger("spaceformer_ros")
    core.handlers, core.propagate = [_RosHandler(node)], False
    core.setLevel(logging.INFO)


def log_failure(callback):
    """Log the exception of a lifecycle callback: rclpy turns it into ERROR silently."""

    @functools.wraps(callback)
    def logged(self, state):
        try:
            return callback(self, state)
        except Exception as error:
            self.get_logger().error(f"{callback.__name__}: {describe_error(error)}")
            raise

    return logged


class _RosHandler(logging.Handler):
    def __init__(self, node):
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record):
        text = printable(record.getMessage(), MAX_LINE_LENGTH)
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
