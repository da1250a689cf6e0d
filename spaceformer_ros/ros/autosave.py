# SPDX-License-Identifier: Apache-2.0
"""Saves the scene while the node works, so that a power cut costs the last `autosave_period` only."""

import time

from .clocks import STEADY

CHECK_PERIOD = 1.0  # seconds between looks at whether a save is due
MAX_DURATION = 30.0  # seconds of a save that are not reported; scenes are written in less than one


class Autosave:
    """A timer that lets Storage save, on the pool, one save at a time."""

    def __init__(self, node, settings, background, save, report):
        """save: function without arguments that saves a new scene; it blocks and never raises.

        report: function of a sentence, called once if a save does not end.
        """
        self._node = node
        self._settings = settings
        self._background = background
        self._save = save
        self._report = report
        self._since = time.monotonic()  # the end of the last save or, while one runs, its start
        self._is_saving = self._has_reported = False  # a disk may hang
        self._timer = node.create_timer(CHECK_PERIOD, self._check, clock=STEADY)

    def destroy(self):
        """End the timer; a save that runs goes on."""
        self._node.destroy_timer(self._timer)

    def _check(self):
        period, passed = self._settings.config.storage.autosave_period, time.monotonic() - self._since
        if self._is_saving:
            if passed >= MAX_DURATION and not self._has_reported:
                self._has_reported = True
                self._report(f"autosave: not done within {MAX_DURATION:g} s; check the disk of scene_file")
        elif period and passed >= period:
            self._since, self._is_saving, self._has_reported = time.monotonic(), True, False
            self._background.submit(self._save_on_pool, lane="files")

    def _save_on_pool(self):
        try:
            self._save()
        finally:
            self._since, self._is_saving = time.monotonic(), False
