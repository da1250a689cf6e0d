# SPDX-License-Identifier: Apache-2.0
"""Limit the waiting time for calls that may hang, such as reads from a network disk."""

import threading

from .. import SpaceformerError


class TimeLimit:
    """Runs functions on a separate thread and waits at most `seconds` for each.

    A function that does not return in time continues on its thread, and further calls are refused until it returns, so
    that a hanging disk blocks at most one thread.
    """

    def __init__(self, seconds, what):
        """what: name of the work for the error message, such as "vocabulary_file"."""
        self._seconds = seconds
        self._what = what
        self._thread = None

    def call(self, function, *arguments):
        """The result of function(*arguments), or its exception. Raises SpaceformerError if it takes too long."""
        if self._thread is not None and self._thread.is_alive():
            raise SpaceformerError(f"{self._what}: an earlier call has not returned yet; check the disk of that file")
        outcome = []

        def work():
            try:
                outcome.append((function(*arguments), None))
            except Exception as error:
                outcome.append((None, error))

        self._thread = threading.Thread(target=work, name="spaceformer_time_limit", daemon=True)
        self._thread.start()
        self._thread.join(self._seconds)
        if not outcome:
            raise SpaceformerError(f"{self._what}: not done within {self._seconds:.2g} s; check the disk of that file")
        result, error = outcome[0]
        if error is not None:
            raise error
        return result
