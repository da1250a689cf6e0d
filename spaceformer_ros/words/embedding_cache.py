# SPDX-License-Identifier: Apache-2.0
"""A cache of text embeddings in a sqlite file."""

import hashlib
import json
import logging
import pathlib
import sqlite3
import time
from contextlib import closing

import numpy as np

logger = logging.getLogger(__name__)

CACHE_FILE = "text_embeddings.sqlite"  # in the cache folder
MAX_NORM_ERROR = 1e-3  # of a unit vector, from rounding
MAX_STORED = 100_000  # texts in the file; beyond it the oldest are removed
LOCK_TIMEOUT = 0.2  # seconds to wait while another process writes
PAUSE = 60.0  # seconds until the file is tried again after an error


class EmbeddingCache:
    """Embeddings of one text model and template set in a sqlite file that several processes may share.

    If the disk is full or the file damaged or locked, a warning is logged and the cache is not used for PAUSE seconds.
    """

    def __init__(self, path, model_id, templates, dim):
        """A cache for the vectors of one text model.

        path: sqlite file, created on first use
        model_id: TextModelId
        templates: prompt templates
        dim: width of vectors
        """
        self.path = pathlib.Path(path)
        self._dim = dim
        self._key = hashlib.sha256(json.dumps([str(model_id), *templates]).encode()).hexdigest()
        self._resume = -float("inf")  # time.monotonic() from which the file is tried again

    def load(self, texts):
        """Dict text -> unit vector of the texts that are stored; damaged ones are left out."""
        select = "SELECT text, vector FROM embedding WHERE key = ? AND text = ?"
        rows = self._run((select, (self._key, text)) for text in texts)
        vectors = {text: np.frombuffer(blob, dtype=np.float32) for text, blob in rows if self._is_vector(blob)}
        return {text: vector for text, vector in vectors.items() if _is_unit(vector)}

    def _is_vector(self, blob):
        return isinstance(blob, bytes) and len(blob) == 4 * self._dim

    def store(self, vectors):
        """Add a dict text -> vector; beyond MAX_STORED rows the oldest are removed."""
        insert = "INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)"
        steps = [(insert, (self._key, text, vector.astype(np.float32).tobytes())) for text, vector in vectors.items()]
        trim = "DELETE FROM embedding WHERE rowid <= (SELECT MAX(rowid) FROM embedding) - ?"
        self._run([*steps, (trim, (MAX_STORED,))])

    def _run(self, steps):
        """Rows returned by all steps (statement, values) in one transaction; none if the file cannot be used."""
        if time.monotonic() < self._resume:
            return []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=LOCK_TIMEOUT)) as connection, connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS embedding (key TEXT, text TEXT, vector BLOB, PRIMARY KEY (key, text))"
                )
                return [row for step in steps for row in connection.execute(*step)]
        except (sqlite3.Error, OSError) as error:
            self._resume = time.monotonic() + PAUSE
            logger.warning("text embedding cache %s is not used for %g s: %s", self.path, PAUSE, error)
            return []


def _is_unit(vector):
    """Whether a vector is finite and of length 1, as those that are stored."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(abs(np.linalg.norm(vector) - 1) < MAX_NORM_ERROR)
