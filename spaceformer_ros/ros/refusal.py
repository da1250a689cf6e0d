# SPDX-License-Identifier: Apache-2.0
"""The exception for refused requests."""


class Refusal(Exception):
    """A request is refused. `code`: name of a constant of ResultCode; `message`: text of the reply."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
