# SPDX-License-Identifier: Apache-2.0
"""Requests that are refused."""


class Refusal(Exception):
    """A reply other than OK: `code`, the name of a constant of ResultCode, and the sentence for `message`."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
