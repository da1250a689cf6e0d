# SPDX-License-Identifier: Apache-2.0
"""`spaceformer prepare`: download the released weights and their text model."""

import sys

from ..config import Config


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument("--accept-licence", action="store_true", help="accept the licence that is shown")
    parser.add_argument("--accept-sha256", default="", help="accept this SHA-256 in addition to the recorded one")
    parser.add_argument("--cache-dir", default="", help="folder of weights and embeddings")


def run(options):
    """Download and check the released weights, after consent to their licence, and their text model."""
    from ..disk.paths import cache_folder
    from ..weights.checkpoint import RELEASED_TEXT_MODEL
    from ..weights.download import LICENCE, download_released, released_file
    from ..words.text_model import load_text_encoder

    cache = cache_folder(Config().with_values({"cache_dir": options.cache_dir}).model)
    print(LICENCE)
    agreed = options.accept_licence or released_file(cache).is_file()
    if not agreed and sys.stdin.isatty():
        agreed = input("Do you accept? [y/N] ").strip().lower() in ("y", "yes")
    print(f"weights: {download_released(cache, agreed, options.accept_sha256)}")
    load_text_encoder("", RELEASED_TEXT_MODEL, cache)
    print(f"text model: {RELEASED_TEXT_MODEL}; with checkpoint:=released everything works offline from now on")
