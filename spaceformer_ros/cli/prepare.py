# SPDX-License-Identifier: Apache-2.0
"""`spaceformer prepare`: download the released weights and their text model."""

import sys
import tempfile

from .. import SpaceformerError
from ..disk.paths import cache_folder
from ..disk.space import check_free_space
from .options import add_settings, config_of

KEPT_SHARE = 1 / 3  # of a download of SigLIP2: its text tower in half precision, written before the rest is removed


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument("--accept-licence", action="store_true", help="accept the licence that is shown")
    parser.add_argument("--accept-sha256", default="", help="accept this SHA-256 in addition to the recorded one")
    parser.add_argument("--cache-dir", default="", help="folder of weights and embeddings")
    parser.add_argument("--text-model", default="", metavar="NAME", help="prepare this text model of the hub only")
    add_settings(parser)


def run(options):
    """Download the released weights, after consent to their licence, and their text model, and check both.

    Sizes are shown before a download starts. Of the text model only the text tower is kept, in half precision. The
    vocabulary is embedded, so that the node starts without loading the text model. What is there already is checked
    and not downloaded again.
    """
    from ..pipeline import texts_at_start
    from ..weights.checkpoint import RELEASED_TEXT_MODEL
    from ..weights.download import download_released
    from ..words.text_model import TextModelId
    from ..words.text_tower import prepare_text_model

    config = config_of(options)
    if options.cache_dir:
        config = config.with_values({"cache_dir": options.cache_dir})
    cache, texts = cache_folder(config.model), texts_at_start(config)  # a wrong vocabulary is refused before downloads
    name, _, revision = options.text_model.partition("@")
    text_model = TextModelId(name, revision) if name else RELEASED_TEXT_MODEL
    agreed = bool(name) or ask_for_consent(cache, options.accept_licence)
    announce(cache, text_model, with_weights=not name, offline=config.model.offline)
    if not name:
        print(f"weights: {download_released(cache, agreed, options.accept_sha256)}")
    print(f"text model: {prepare_text_model(text_model, cache)}")
    embed(texts, config.with_values({"text_model": options.text_model}), text_model)
    argument = f"text_model:={options.text_model}" if name else "checkpoint:=released"
    print(f"done: from now on the node works offline with {argument}")


def ask_for_consent(cache, accepted):
    """Show the licence of the weights; True if they are there already, accepted, or the user agrees.

    Raises SpaceformerError without consent.
    """
    from ..weights.download import LICENCE, released_file

    print(LICENCE)
    agreed = accepted or released_file(cache).is_file()
    if not agreed and sys.stdin.isatty():
        agreed = input("Do you accept? [y/N] ").strip().lower() in ("y", "yes")
    if not agreed:
        raise SpaceformerError("the weights are downloaded only after you accept their licence: add --accept-licence")
    return agreed


def announce(cache, text_model, with_weights, offline=False):
    """Say what will be downloaded and how large it is, and check folder and free space. Raises SpaceformerError."""
    from ..weights.download import BYTES, released_file
    from ..words.hub import download_bytes
    from ..words.text_tower import is_prepared, tower_folder

    check_writable(cache)
    missing = {}
    if with_weights and not released_file(cache).is_file():
        missing["weights"] = BYTES
    has_text_model = is_prepared(tower_folder(text_model, cache))
    if offline and (missing or not has_text_model):
        raise SpaceformerError(f"offline is set, and not everything is in {cache}: run this once without offline")
    if not has_text_model:
        missing[f"text model {text_model.name}"] = size = download_bytes(text_model)
        print(f"of the text model about {size * KEPT_SHARE / 1e9:.1f} GB are kept: the text tower in half precision")
    for what, size in missing.items():
        print(f"to download into {cache}: {what}, {size / 1e9:.2f} GB")
    check_free_space(cache, sum(missing.values()) * (1 + KEPT_SHARE), "the download")


def check_writable(cache):
    """Create the cache folder if needed. Raises SpaceformerError if nothing can be written into it."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache).close()
    except OSError as error:
        raise SpaceformerError(
            f"nothing can be written into {cache} ({error.strerror}): set another cache_dir"
        ) from error


def embed(texts, config, text_model):
    """Embed and cache the texts that the node needs at its start."""
    from ..pipeline import build_embedder

    texts = tuple(dict.fromkeys(texts))
    print(f"embedding the {len(texts)} names of the vocabulary; on a CPU this takes minutes", flush=True)
    build_embedder(config, text_model).embed(texts)
