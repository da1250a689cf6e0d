# SPDX-License-Identifier: Apache-2.0
"""Calls that may hang, such as reads from a network disk, waited for a limited time only."""

import threading

from .. import SpaceformerError


class TimeLimit:
    """Runs functions on a thread of its own and waits at most `seconds` for each.

    One that does not return in time stays on its thread, and further calls are refused until it has returned: a disk
    that hangs costs one thread.
    """

    def __init__(self, seconds, what):
        """what: names the work in the error, such as "vocabulary_file"."""
        self._seconds = seconds
        self._what = what
        self._thread = None

    def call(self, function, *arguments):
        """The result of function(*arguments), or its exception. Raises SpaceformerError if it takes too long."""
        if self._thread is not None and self._thread.is_alive():
            raise SpaceformerError(f"{self._what}: an earlier read has not returned yet; check the disk of that file")
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
            raise SpaceformerError(f"{self._what}: not read within {self._seconds:g} s; check the disk of that file")
        result, error = outcome[0]
        if error is not None:
            raise error
        return result
