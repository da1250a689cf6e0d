# SPDX-License-Identifier: Apache-2.0
"""A text model of transformers on one device: loaded with the first text, unloaded when it is not used.

Two families, distinguished by the model's config.json: SigLIP and SigLIP2 text towers (the released checkpoint) and
BERT sentence encoders such as all-MiniLM-L6-v2 (the demo checkpoint).
"""

import contextlib
import gc
import importlib.util
import json
import logging
import pathlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import SpaceformerError
from ..heap import trim_heap
from .siglip_tokens import check_siglip_tokens, siglip_tokens
from .text_tower import check_files

logger = logging.getLogger(__name__)

BERT_MAX_LENGTH = 256  # tokens
BATCH = 16  # texts encoded before another thread gets its turn
PAUSE = 0.0005  # seconds between two batches: a lock that is taken again immediately is not released to waiting threads


@dataclass(frozen=True)
class Family:
    """How the models of one family are used.

    tower: name of the class in transformers
    half: whether half precision is worth it: SigLIP2's text tower has 0.7 billion weights, MiniLM 0.02
    tokens: function of (tokenizer, texts) -> dict of tensors for the model
    pool: function of (output of the model, tokens) -> vectors [n, dim]
    check: function of the tokenizer that raises SpaceformerError
    """

    tower: str
    half: bool
    tokens: Callable
    pool: Callable
    check: Callable


class TextEncoder:
    """A text encoder on one device. `encode` may be called from several threads; they take turns batch by batch.

    Weights and tokenizer are loaded with the first text: where all texts are cached, neither the time of importing
    transformers nor the memory of the model is spent.
    """

    def __init__(self, folder, model_id, device="cpu", precision="float32", idle_timeout=0.0):
        """An encoder for a folder with config.json, weights and tokenizer, as transformers saves them.

        model_id: TextModelId
        device: torch device
        precision: name of a torch type, for SigLIP models; BERT models, which are small, always use float32
        idle_timeout: seconds without a new text after which the weights are unloaded; 0: never

        Raises SpaceformerError if the folder holds no such model.
        """
        check_transformers()
        self.model_id, self.device, self._folder = model_id, device, pathlib.Path(folder)
        try:
            config = json.loads((self._folder / "config.json").read_text())
            self._family = family_of(config["model_type"])
            self.dim = int(config.get("text_config", config)["hidden_size"])  # width of the vectors
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise self._error(error) from error
        if not any(self._folder.glob("*.safetensors")) and not any(self._folder.glob("pytorch_model*.bin")):
            raise self._error("there is no file with weights")
        self.precision = precision if self._family.half else "float32"
        self._idle_timeout, self._used, self._timer = idle_timeout, 0.0, None
        self._tokenizer = self._model = None
        self._lock = threading.Lock()

    @property
    def is_loaded(self):
        """Whether the weights are in memory."""
        return self._model is not None

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
                tokens = self._family.tokens(self._tokenizer, batch)
                tokens = {name: values.to(self.device) for name, values in tokens.items()}
                vectors = self._family.pool(self._model(**tokens), tokens)
                rows.append(torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy())
                self._keep_awhile()
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def _load(self):
        """Load tokenizer and weights, unless they are there; needs the lock."""
        if self._model is not None:
            return
        import torch

        check_files(self._folder)
        transformers = import_transformers()
        try:
            with only_errors(transformers):  # weights of the image tower, which are not used, are listed otherwise
                tokenizer = transformers.AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
                self._family.check(tokenizer)
                model = getattr(transformers, self._family.tower).from_pretrained(
                    self._folder, local_files_only=True, torch_dtype=getattr(torch, self.precision)
                )
        except (OSError, KeyError, ValueError, SpaceformerError) as error:
            raise self._error(error) from error
        self._model, self._tokenizer = model.eval().to(self.device), tokenizer
        logger.info("text model %s is loaded on %s in %s", self.model_id, self.device, self.precision)

    def _keep_awhile(self):
        """Note that the model was used, and unload it after the idle time; needs the lock."""
        self._used = time.monotonic()
        if self._idle_timeout and self._timer is None:
            self._start_timer(self._idle_timeout)

    def _start_timer(self, seconds):
        self._timer = threading.Timer(seconds, self._unload_if_idle)
        self._timer.daemon = True
        self._timer.start()

    def _unload_if_idle(self):
        with self._lock:
            self._timer = None
            rest = self._used + self._idle_timeout - time.monotonic()
            if rest > 0:
                self._start_timer(rest)
                return
            self._model = self._tokenizer = None
        gc.collect()
        trim_heap()
        logger.info("text model %s is unloaded after %g s without a new text", self.model_id, self._idle_timeout)

    def _error(self, reason):
        return SpaceformerError(f"text model in {self._folder} cannot be loaded: {reason}")


def family_of(model_type):
    """The Family of a transformers model type. Raises ValueError."""
    if model_type.startswith("siglip"):
        tower = "Siglip2TextModel" if model_type.startswith("siglip2") else "SiglipTextModel"
        return Family(tower, True, _siglip_tokens, _pooled, check_siglip_tokens)
    if model_type == "bert":
        return Family("BertModel", False, _bert_tokens, _mean_pool, _no_check)
    raise ValueError(f"model type {model_type!r} is neither SigLIP, SigLIP2 nor BERT")


def _siglip_tokens(tokenizer, texts):
    import torch

    return {"input_ids": torch.tensor(siglip_tokens(tokenizer, texts))}


def _pooled(output, _):
    return output.pooler_output


def _bert_tokens(tokenizer, texts):
    return tokenizer(texts, return_tensors="pt", truncation=True, padding=True, max_length=BERT_MAX_LENGTH)


def _mean_pool(output, tokens):
    """Mean of the token vectors that are not padding (sentence-transformers' pooling for all-MiniLM-L6-v2)."""
    mask = tokens["attention_mask"][:, :, None].float()
    return (output.last_hidden_state * mask).sum(dim=1) / mask.sum(dim=1)


def _no_check(tokenizer):
    """BERT tokenizers add their own special tokens, in every version alike."""


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


@contextlib.contextmanager
def only_errors(transformers):
    """Context manager: transformers logs errors only."""
    logs = transformers.utils.logging
    before = logs.get_verbosity()
    logs.set_verbosity_error()
    try:
        yield
    finally:
        logs.set_verbosity(before)
