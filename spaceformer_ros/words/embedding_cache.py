"""Text embeddings in a sqlite file."""

import hashlib
import json
import logging
import pathlib
import sqlite3
import time
from contextlib import closing

import numpy as np

logger = logging.getLogger(__name__)

MAX_STORED = 100_000  # texts in the cache file; beyond it the oldest go
CACHE_TIMEOUT, CACHE_PAUSE = 0.2, 60.0  # seconds to wait for another process; without the file after it has failed


class EmbeddingCache:
    """Embeddings of one text model and template set in a sqlite file that several processes may share.

    A failing or full disk, a damaged file or one that is locked costs one warning and CACHE_PAUSE seconds without it.
    """

    def __init__(self, path, model_id, templates, dim):
        """dim: width of the vectors."""
        self.path, self._dim = pathlib.Path(path), dim
        self._key = hashlib.sha256(json.dumps([str(model_id), *templates]).encode()).hexdigest()
        self._resume = -float("inf")  # time.monotonic() from which the file is tried again

    def load(self, texts):
        """Dict text -> vector of those texts that are stored."""
        select = "SELECT text, vector FROM embedding WHERE key = ? AND text = ?"
        rows = self._run((select, (self._key, text)) for text in texts)
        vectors = {text: np.frombuffer(blob, dtype=np.float32) for text, blob in rows if self._is_vector(blob)}
        return {text: vector for text, vector in vectors.items() if np.isfinite(vector).all()}

    def _is_vector(self, blob):
        return isinstance(blob, bytes) and len(blob) == 4 * self._dim

    def store(self, vectors):
        """Add a dict text -> vector; the oldest rows of the file go where there are more than MAX_STORED."""
        insert = "INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)"
        steps = [(insert, (self._key, text, vector.astype(np.float32).tobytes())) for text, vector in vectors.items()]
        trim = "DELETE FROM embedding WHERE rowid <= (SELECT MAX(rowid) FROM embedding) - ?"
        self._run([*steps, (trim, (MAX_STORED,))])

    def _run(self, steps):
        """Answers of all steps (statement, values), done together or not at all; none where the file fails."""
        if time.monotonic() < self._resume:
            return []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=CACHE_TIMEOUT)) as connection, connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS embedding (key TEXT, text TEXT, vector BLOB, PRIMARY KEY (key, text))"
                )
                return [answer for step in steps for answer in connection.execute(*step)]
        except (sqlite3.Error, OSError) as error:
            self._resume = time.monotonic() + CACHE_PAUSE
            logger.warning("text embedding cache %s is not used for %g s: %s", self.path, CACHE_PAUSE, error)
            return []
