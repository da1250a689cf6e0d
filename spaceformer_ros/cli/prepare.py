# SPDX-License-Identifier: Apache-2.0
"""`spaceformer prepare`: download the released weights and their text model."""

import sys

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
    from ..weights.checkpoint import RELEASED_TEXT_MODEL
    from ..weights.download import download_released
    from ..words.text_model import TextModelId
    from ..words.text_tower import prepare_text_model

    config = config_of(options)
    if options.cache_dir:
        config = config.with_values({"cache_dir": options.cache_dir})
    cache = cache_folder(config.model)
    name, _, revision = options.text_model.partition("@")
    text_model = TextModelId(name, revision) if name else RELEASED_TEXT_MODEL
    agreed = bool(name) or ask_for_consent(cache, options.accept_licence)
    announce(cache, text_model, with_weights=not name)
    if not name:
        print(f"weights: {download_released(cache, agreed, options.accept_sha256)}")
    print(f"text model: {prepare_text_model(text_model, cache)}")
    embed_vocabulary(config.with_values({"text_model": options.text_model}), text_model)
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


def announce(cache, text_model, with_weights):
    """Say what will be downloaded and how large it is, and check the free space. Raises SpaceformerError."""
    from ..weights.download import BYTES, released_file
    from ..words.hub import download_bytes
    from ..words.text_tower import is_prepared, tower_folder

    missing = {}
    if with_weights and not released_file(cache).is_file():
        missing["weights"] = BYTES
    if not is_prepared(tower_folder(text_model, cache)):
        missing[f"text model {text_model.name}"] = size = download_bytes(text_model)
        print(f"of the text model about {size * KEPT_SHARE / 1e9:.1f} GB are kept: the text tower in half precision")
    for what, size in missing.items():
        print(f"to download into {cache}: {what}, {size / 1e9:.2f} GB")
    check_free_space(cache, sum(missing.values()) * (1 + KEPT_SHARE), "the download")


def embed_vocabulary(config, text_model):
    """Embed and cache the texts that the node needs at its start."""
    from ..pipeline import build_embedder, texts_at_start

    texts = tuple(dict.fromkeys(texts_at_start(config)))
    print(f"embedding the {len(texts)} names of the vocabulary; on a CPU this takes minutes", flush=True)
    build_embedder(config, text_model).embed(texts)
