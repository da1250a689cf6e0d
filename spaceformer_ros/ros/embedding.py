# SPDX-License-Identifier: Apache-2.0
"""Embed many texts for one request in batches, so that other requests can use the text model in between."""

import time

import numpy as np

from .limits import EMBED_SECONDS
from .refusal import Refusal

BATCH = 16  # texts per batch


async def embed_in_batches(session, embedder, texts):
    """[N, C] float32 unit vectors of N texts.

    Batches of all requests take turns. Raises Refusal after EMBED_SECONDS; what is embedded by then stays cached.
    """
    end, vectors = time.monotonic() + EMBED_SECONDS, []
    for first in range(0, len(texts), BATCH):
        if time.monotonic() > end:
            raise Refusal(
                "TIMEOUT",
                f"{first} of {len(texts)} texts were embedded in {EMBED_SECONDS:g} s and are cached: send the request "
                "again, or fewer texts at a time",
            )
        vectors.append(await session.background.run(embedder.embed, texts[first : first + BATCH], lane="texts"))
    return np.concatenate(vectors)
