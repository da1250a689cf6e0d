# SPDX-License-Identifier: Apache-2.0
"""The state machine of the node: which NodeState it is in, with a sentence, published on every change."""

import threading

from .interfaces import NodeState
from .text import printable

STATES = ("LOADING", "READY", "WAITING_FOR_CLOUD", "RUNNING", "IDLE", "DISABLED", "ERROR")
STATE_NAMES = {getattr(NodeState, name): name for name in STATES}


class StateMachine:
    """The state of one configured node. Any thread may change it; the last change is published last."""

    def __init__(self, publish, input_topic, counters):
        """publish(state, text): publishes a constant of NodeState and its sentence; input_topic: its resolved name;
        counters: Counters, whose save_error every sentence ends with."""
        self._publish = publish
        self._input_topic = input_topic
        self._counters = counters
        self._lock = threading.Lock()
        self._said = ""  # the sentence without what is added to it
        self.active = False  # between the lifecycle transitions activate and deactivate
        self.enabled = True  # as set by ~/set_enabled
        self.unpublished = ""  # the reason why the current scene is not published
        self.state = None
        self.text = ""

    @property
    def name(self):
        """The state's name, such as "IDLE"."""
        return STATE_NAMES[self.state]

    def set(self, state, text):
        """Enter a state: a constant of NodeState and one sentence."""
        with self._lock:
            self._set(state, text)

    def publish_again(self):
        """Publish the state if what is added to its sentence has changed."""
        with self._lock:
            if self.state is not None:
                self._set(self.state, self._said)

    def _set(self, state, said):
        self._said = said
        text = printable("; ".join(filter(None, (said, self._counters.save_error))))
        if (state, text) != (self.state, self.text):
            self.state = state
            self.text = text
            self._publish(state, text)

    def close(self):
        """Publish nothing any more: a save that a disk delays may end after the publishers."""
        with self._lock:
            self._publish = lambda *_: None

    def update_idle_state(self, pipeline, text=""):
        """Enter the state of a node that is not segmenting.

        pipeline: the Pipeline; None while it is loading or could not be loaded, which keeps the state.
        text: sentence for IDLE; empty: the map revision.
        """
        if pipeline is None:
            return
        if not self.active:
            self.set(NodeState.READY, "not active: clouds are not processed")
        elif not self.enabled:
            self.set(NodeState.DISABLED, "disabled by ~/set_enabled")
        elif pipeline.scene is None:
            self.set(NodeState.WAITING_FOR_CLOUD, f"waiting for a cloud on {self._input_topic}")
        elif self.unpublished:
            self.set(NodeState.ERROR, self.unpublished)
        else:
            self.set(NodeState.IDLE, text or f"map revision {pipeline.scene.map_revision}")
