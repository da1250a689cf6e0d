# SPDX-License-Identifier: Apache-2.0
"""Invisible characters that spelling needs: joiners in scripts whose letters join, and in emoji.

Persian and the scripts of India write words with ZERO WIDTH NON-JOINER and JOINER between letters, the latter also
after the virama at the end of a word, as in Malayalam and Bengali before Unicode 5.1 (Unicode Standard Annex 31,
section 2.3, rules A and B). Emoji are sequences with the joiner (Technical Standard 51). Anywhere else they are
invisible, and make two texts that look alike differ.
"""

import unicodedata

NON_JOINER, JOINER = "\u200c", "\u200d"
JOINERS = NON_JOINER + JOINER
# First words of the names of characters. The Unicode data of Python has no scripts.
JOINING_SCRIPTS = (
    *("ARABIC", "SYRIAC", "MANDAIC", "NKO", "ADLAM", "MONGOLIAN"),
    *("DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA"),
    *("MYANMAR", "KHMER", "BALINESE", "JAVANESE"),
)
SELECTOR = "\ufe0f"  # asks for the coloured form of the character before it
VIRAMA = 9  # canonical combining class
SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


def needed_joiners(text):
    """Set of the positions in a text of the joiners that spelling needs."""
    return {
        position
        for position in range(1, len(text))
        if text[position] in JOINERS
        and (_belongs(*text[position - 1 : position + 2]) or _follows_virama(text[max(0, position - 2) : position + 1]))
    }


def without_joiners(text):
    """The text without the joiners that spelling needs; others stay."""
    if not any(joiner in text for joiner in JOINERS):
        return text
    needed = needed_joiners(text)
    return "".join(char for position, char in enumerate(text) if position not in needed)


def _follows_virama(text):
    """Whether a text of up to three characters is a letter or mark of a joining script, its virama and a joiner."""
    base, virama, joiner = text.rjust(3)
    is_virama = unicodedata.combining(virama) == VIRAMA and _script(virama) in JOINING_SCRIPTS
    return joiner == JOINER and is_virama and _script(base) == _script(virama)


def _belongs(before, joiner, after=" "):
    """Whether a joiner has letters or marks of one joining script on both sides, or is between two emoji."""
    if _script(before) in JOINING_SCRIPTS and _script(before) == _script(after):
        return unicodedata.category(before)[0] in "LM" and unicodedata.category(after)[0] in "LM"
    is_picture = unicodedata.category(before) == "So" or before in SELECTOR + SKIN_TONES
    return joiner == JOINER and is_picture and unicodedata.category(after) == "So"


def _script(char):
    """The first word of a character's name: that of its script, for letters and marks."""
    return unicodedata.name(char, "").partition(" ")[0]
