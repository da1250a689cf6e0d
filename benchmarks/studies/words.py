#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""For how many synonyms does the right kind come first, by the text model alone and with the lexicon?

Usage: tools/env.sh python -m benchmarks.studies.words [--list]

The vocabulary has the names of all kinds of generated rooms. Synonyms are those of training captions, with which the
weights of the lexicon were chosen, and those that are held out. --list prints the held-out ones that are misread.
"""

import argparse

import numpy as np

from spaceformer_ros.cli.tables import print_table
from spaceformer_ros.pipeline import build_pipeline
from spaceformer_ros.synthetic.kinds import KINDS, OBJECT_KINDS
from spaceformer_ros.training.validate import all_kinds_config
from spaceformer_ros.words.lexicon import lexicon


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    pipeline = build_pipeline(all_kinds_config(checkpoint=options.checkpoint))
    kinds = [KINDS[name] for name in OBJECT_KINDS]
    rows = []
    for title, words in (("in captions", lambda kind: kind.synonyms), ("held out", lambda kind: kind.held_out)):
        asked = [(word, kind.name) for kind in kinds for word in words(kind)]
        vectors = pipeline.embed([word for word, _ in asked])
        alone, both = (
            [_first(pipeline.space, text, vectors[word]) for word, text in texts]
            for texts in ([(word, "") for word, _ in asked], [(word, word) for word, _ in asked])  # "": unknown
        )
        known = [bool(lexicon().senses(word)) for word, _ in asked]
        names = [name for _, name in asked]
        rows.append((title, len(asked), f"{np.mean(known):.3f}", _share(alone, names), _share(both, names)))
    print_table(rows, ("synonyms", "words", "known to the lexicon", "right first, text model", "with lexicon"))
    if options.list:
        wrong = [(word, name, found) for (word, name), found in zip(asked, both) if found != name]
        print_table(wrong, ("held-out word", "kind", "read as"))


def _first(space, text, vector):
    """Name of the label that a text means most."""
    return space.vocabulary.names[int(space.meaning(text, vector).argmax())]


def _share(found, names):
    return f"{np.mean([a == b for a, b in zip(found, names)]):.3f}"


if __name__ == "__main__":
    main()
