# SPDX-License-Identifier: Apache-2.0
"""Saves the scene while the node works, so that a power cut costs the last `autosave_period` only."""

import time

from .clocks import STEADY

CHECK_PERIOD = 1.0  # seconds between looks at whether a save is due


class Autosave:
    """A timer that lets Storage save, on the pool, one save at a time."""

    def __init__(self, node, settings, background, save):
        """save: function without arguments that saves a new scene; it blocks and never raises."""
        self._node = node
        self._settings = settings
        self._background = background
        self._save = save
        self._ended = time.monotonic()  # of the last save
        self._is_saving = False  # a disk may hang
        self._timer = node.create_timer(CHECK_PERIOD, self._check, clock=STEADY)

    def destroy(self):
        """End the timer; a save that runs goes on."""
        self._node.destroy_timer(self._timer)

    def _check(self):
        period = self._settings.config.storage.autosave_period
        if period and not self._is_saving and time.monotonic() - self._ended >= period:
            self._is_saving = True
            self._background.submit(self._save_on_pool, lane="files")

    def _save_on_pool(self):
        try:
            self._save()
        finally:
            self._ended, self._is_saving = time.monotonic(), False
