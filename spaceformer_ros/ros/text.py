# SPDX-License-Identifier: Apache-2.0
"""Text from outside, made fit for messages and logs."""

from .. import SpaceformerError

MAX_LENGTH = 500  # characters of a sentence in a state, a reply, a diagnostics value or a log line


def printable(text, limit=MAX_LENGTH):
    """`text` of at most `limit` characters, with control characters and what is not Unicode escaped.

    Line breaks and escape codes cannot forge log lines, and lone surrogates cannot break a message.
    """
    text = str(text)
    if len(text) > limit:
        text = f"{text[: limit - 100]} ... ({len(text)} characters) ... {text[-40:]}"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def describe_error(error):
    """The sentence of an exception; its type too if it is not one of ours."""
    if isinstance(error, SpaceformerError) and str(error):
        return printable(error)
    return printable(f"{type(error).__name__}: {error}")
