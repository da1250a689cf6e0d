# SPDX-License-Identifier: Apache-2.0
"""Publish the progress of a cloud: the state of the node, and partial scenes of a large map."""

import time

from ..pipeline import Observer
from .interfaces import NodeState

PARTIAL_TIME_SHARE = 0.2  # of the processing time that partial scenes may take


class TimeShare:
    """Limits an optional task to a share of the time: after each run it pauses in proportion to its duration."""

    def __init__(self, share):
        """share: in (0, 1]; 1 for no limit."""
        self._pause_per_second = 1 / share - 1
        self._next_start = 0.0
        self._started = 0.0

    def start(self):
        """Whether the task may run now; if so, its time counts from here."""
        self._started = time.monotonic()
        return self._started >= self._next_start

    def stop(self):
        """Record the end of the task."""
        end = time.monotonic()
        self._next_start = end + (end - self._started) * self._pause_per_second


class ProgressPublisher(Observer):
    """Publishes the progress of one cloud, and partial scenes if the setting publish_partial is on."""

    def __init__(self, settings, state, outputs, watchers=()):
        """settings: Settings; state: StateMachine; outputs: Outputs; watchers: functions that are called with the
        arguments of `on_progress` too; they raise Cancelled to end the work."""
        self._settings = settings
        self._state = state
        self._outputs = outputs
        self._watchers = watchers
        self._share = TimeShare(PARTIAL_TIME_SHARE)

    def on_progress(self, text, tile=0, tiles=0):
        """Show a sentence in the state RUNNING."""
        self._state.set(NodeState.RUNNING, text)
        for watch in tuple(self._watchers):
            watch(text, tile, tiles)

    def wants_partial(self):
        """Whether partial scenes are enabled and their share of the time is not used up."""
        return self._settings.config.tiling.publish_partial and self._share.start()

    def on_partial(self, scene):
        """Publish a partial scene with the current settings."""
        self._outputs.publish_partial(scene)
        self._share.stop()
