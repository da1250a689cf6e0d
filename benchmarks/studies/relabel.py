#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long does it take to relabel 200 instances against 1,000 labels?

Usage: tools/env.sh python -m benchmarks.studies.relabel

The embeddings are cached on disk, as in the node; the time of the text model is printed separately. Compare within a
run, not between machines.
"""

import argparse
import time

import numpy as np

from spaceformer_ros.weights.checkpoint import DEMO_TEXT_MODEL
from spaceformer_ros.words.label_space import LabelSpace, ranked
from spaceformer_ros.words.similarity import Similarity
from spaceformer_ros.words.text_model import PromptEmbedder, load_text_encoder
from spaceformer_ros.words.vocabulary import Vocabulary

INSTANCES, LABELS, REPEATS = 200, 1000, 20


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    words = [f"{color} thing number {i}" for i in range(LABELS // 10) for color in "abcdefghij"]
    vocabulary = Vocabulary.parse(words)
    embedder = PromptEmbedder(load_text_encoder("", DEMO_TEXT_MODEL, "~/.cache"))
    start = time.perf_counter()
    embeddings = embedder.embed(vocabulary.texts)
    print(f"embedding {LABELS} new labels with {embedder.model_id}: {time.perf_counter() - start:.2f} s")
    for channels in (embeddings.shape[1], 1152):
        rng = np.random.default_rng(0)
        features = rng.normal(size=(INSTANCES, channels)).astype(np.float32)
        texts = rng.normal(size=(LABELS, channels)).astype(np.float32)
        texts /= np.linalg.norm(texts, axis=1, keepdims=True)
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            ranked(LabelSpace(vocabulary, texts, Similarity()).probabilities(features))
            seconds.append(time.perf_counter() - start)
        median, worst = 1000 * np.median(seconds), 1000 * max(seconds)
        print(
            f"{INSTANCES} instances x {LABELS} labels, {channels} channels: median {median:.1f}, worst {worst:.1f} ms"
        )


if __name__ == "__main__":
    main()
