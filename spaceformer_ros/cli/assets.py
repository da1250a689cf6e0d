# SPDX-License-Identifier: Apache-2.0
"""`spaceformer assets`: furniture models for generated rooms."""

import pathlib

from ..config import Config

INSTALLED = "/usr/share/sweethome3d/furniture"  # where Debian's package puts the libraries


def add_arguments(parser):
    """Add the arguments of this command to an argparse parser."""
    parser.add_argument(
        "--from",
        dest="source",
        default="",
        help=f"folder with the furniture libraries *.sh3f, such as the folder of dpkg -x (default: {INSTALLED})",
    )
    parser.add_argument(
        "--infinigen", default="", help="folder that tools/infinigen_models.py has written: its models are added"
    )
    parser.add_argument("--out", default="", help="folder of the result (default: assets in the cache folder)")
    parser.add_argument(
        "--credits",
        default="",
        help="write the authors and licences of the models to this file; without --from those of an existing result",
    )


def run(options):
    """Read furniture models into a cache, from which `spaceformer train` can furnish rooms.

    The models are those of Debian's package sweethome3d-furniture (CC-BY 3.0 and public domain), and those that
    tools/infinigen_models.py generates.
    """
    from tqdm import tqdm

    from ..disk.paths import cache_folder
    from ..synthetic.assets import build_cache, default_folder, has_cache, read_library, write_credits

    folder = pathlib.Path(options.out) if options.out else default_folder(cache_folder(Config().model))
    if options.credits and not options.source and has_cache(folder):
        library = read_library(str(folder))
    else:
        library = build_cache(
            options.source or INSTALLED,
            folder,
            lambda models: tqdm(models, unit="model", disable=None),
            options.infinigen or None,
        )
    kinds = {asset.kind for asset in library.assets}
    held_out = sum(asset.split != "train" for asset in library.assets)
    megabytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    print(f"{len(library.assets)} models of {len(kinds)} kinds ({held_out} held out), {megabytes:.0f} MB in {folder}")
    if options.credits:
        write_credits(library.assets, pathlib.Path(options.credits))
