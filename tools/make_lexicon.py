#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the table of spaceformer_ros/words/lexicon.py from WordNet 3.0.

Usage: tools/env.sh python tools/make_lexicon.py FOLDER

FOLDER: where `apt-get download wordnet-base` and `dpkg -x` have unpacked Debian's package. Things that robots meet are
kept with all senses, other categories only where WordNet's texts use the word in this sense. Names and words with
digits are left out.
"""

import argparse
import gzip
import pathlib
import re
import sys
from collections import namedtuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from spaceformer_ros.words.lexicon import TABLE  # noqa: E402

# Numbers of WordNet's lexicographer files, lexnames(5WN).
COMPLETE = {3, 5, 6, 13}  # the most general, animals, artifacts, food
IN_USE = {17, 18, 20, 27}  # natural objects, persons, plants, substances

Synset = namedtuple("Synset", "category words hypernyms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    wordnet = parser.parse_args().folder / "usr" / "share" / "wordnet"
    synsets = read_synsets(wordnet / "data.noun")
    kept = select(synsets, read_uses(wordnet / "cntlist.rev"))
    lines = table(synsets, kept, read_order(wordnet / "index.noun"))
    TABLE.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))
    print(f"{len(lines)} senses, {TABLE.stat().st_size / 1e3:.0f} kB in {TABLE.relative_to(ROOT)}")


def read_synsets(path):
    """Dict offset -> Synset of a file data.noun, wndb(5WN)."""
    synsets = {}
    for line in _lines(path):
        parts = line.split(" | ")[0].split()
        first = 4 + 2 * int(parts[3], 16)  # after the words comes the number of pointers
        words = [word.replace("_", " ") for word in parts[4:first:2]]
        pointers = zip(parts[first + 1 :: 4], parts[first + 2 :: 4])
        hypernyms = [offset for symbol, offset in pointers if symbol == "@"]
        synsets[parts[0]] = Synset(int(parts[1]), [word for word in words if _is_common(word)], hypernyms)
    return synsets


def read_order(path):
    """Dict noun -> offsets of its senses, the most frequent first, of a file index.noun."""
    order = {}
    for line in _lines(path):
        parts = line.split()
        order[parts[0].replace("_", " ")] = parts[-int(parts[2]) :]
    return order


def read_uses(path):
    """Set of (noun, category) that texts use, of a file cntlist.rev."""
    found = (re.match(r"(.+)%1:(\d\d):", line) for line in path.read_text().splitlines())
    return {(match[1].replace("_", " "), int(match[2])) for match in found if match}


def _lines(path):
    return (line for line in path.read_text().splitlines() if not line.startswith("  "))  # the licence


def _is_common(word):
    return word == word.lower() and not re.search(r"[\d,]", word)


def select(synsets, uses):
    """Set of the offsets that are kept: those of the categories, and everything that includes them."""
    front = [offset for offset, synset in synsets.items() if _is_wanted(synset, uses)]
    kept = set(front)
    while front:
        new = set(synsets[front.pop()].hypernyms) - kept
        kept |= new
        front.extend(new)
    return kept


def _is_wanted(synset, uses):
    if synset.category in COMPLETE:
        return bool(synset.words)
    return synset.category in IN_USE and any((word, synset.category) in uses for word in synset.words)


def table(synsets, kept, order):
    """Lines of the table. Words of other categories, which only connect the others, are left out."""
    named = {offset for offset in kept if synsets[offset].category in COMPLETE | IN_USE}
    ranks = {noun: [offset for offset in offsets if offset in named] for noun, offsets in order.items()}
    rows, lines = {}, []
    for offset in sorted(kept, key=lambda offset: (_depth(offset, synsets), offset)):
        rows[offset] = len(rows)
        words = [_ranked(word, offset, ranks[word]) for word in synsets[offset].words] if offset in named else ()
        lines.append(f"{' '.join(str(rows[parent]) for parent in synsets[offset].hypernyms)}\t{','.join(words)}")
    return lines


def _depth(offset, synsets):
    """Longest way to a synset without hypernym: hypernyms come before what they include."""
    return 1 + max((_depth(parent, synsets) for parent in synsets[offset].hypernyms), default=0)


def _ranked(word, offset, senses):
    return f"{word}{senses.index(offset) + 1 if len(senses) > 1 else ''}"


if __name__ == "__main__":
    main()
