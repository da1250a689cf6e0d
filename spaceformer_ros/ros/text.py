# SPDX-License-Identifier: Apache-2.0
"""Sanitise external text for messages and logs."""

from .. import SpaceformerError
from ..missing import missing_package
from ..words.joiners import needed_joiners

MAX_LENGTH = 500  # characters of a sentence in a state, a reply, a diagnostics value or a log line


def printable(text, limit=MAX_LENGTH):
    """`text` cut to at most `limit` characters, with control characters and invalid Unicode escaped.

    Line breaks and escape codes cannot forge log lines, and lone surrogates cannot break a message.
    """
    text = str(text)
    if len(text) > limit:
        text = f"{text[: limit - 100]} ... ({len(text)} characters) ... {text[-40:]}"
    joiners = needed_joiners(text)
    return "".join(
        char if char.isprintable() or position in joiners else char.encode("unicode_escape").decode()
        for position, char in enumerate(text)
    )


def describe_error(error):
    """The message of an exception, with its type unless it is a SpaceformerError or a package is missing."""
    if isinstance(error, ImportError):
        error = missing_package(error) or error
    if isinstance(error, SpaceformerError) and str(error):
        return printable(error)
    return printable(f"{type(error).__name__}: {error}")
