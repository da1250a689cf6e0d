# SPDX-License-Identifier: Apache-2.0
"""Text models of the cache folder: what is needed of a download, with the hashes of its files.

Of google/siglip2-so400m-patch14-224 the text tower alone is kept, in half precision: 1.4 of 4.5 GB.
"""

import functools
import json
import pathlib
import shutil

from .. import SpaceformerError
from ..disk.atomic import replace_file
from ..disk.hashing import file_identity, file_sha256
from .hub import hub_folder, remove_download

HASHES = "sha256.json"  # file name -> SHA-256, written last: a folder that holds it is complete
TOWER = "text_model."  # prefix of the text tower's weights in a model with an image tower
EXTRAS = (".json", ".txt", ".model")  # endings of the files of tokenizer and configuration
SHARDS = "model.safetensors.index.json"  # list of a divided file; the kept weights are in one file


def tower_folder(model_id, cache_dir):
    """Folder of a prepared text model in the cache folder, whether it exists or not."""
    return pathlib.Path(cache_dir) / "text" / str(model_id).replace("/", "--")


def is_prepared(folder):
    """Whether a folder of `tower_folder` is there and complete."""
    return (pathlib.Path(folder) / HASHES).is_file()


def prepare_text_model(model_id, cache_dir, endpoint=None):
    """Download a text model, keep what is needed of it, and remove the rest. Returns its folder.

    A model that is there already is checked instead.

    model_id: TextModelId; cache_dir: folder of weights and embeddings; endpoint: another hub address.
    Raises SpaceformerError.
    """
    target = tower_folder(model_id, cache_dir)
    if is_prepared(target):
        check_files(target)
        return target
    keep_text_tower(hub_folder(model_id, cache_dir, endpoint=endpoint), target)
    remove_download(model_id, cache_dir)
    return target


def keep_text_tower(source, target):
    """Write the text tower of the model in folder `source`, as float16, with its tokenizer, into the folder `target`.

    A model without an image tower is copied unchanged. Raises SpaceformerError if a file cannot be read or written.
    """
    source, target = pathlib.Path(source), pathlib.Path(target)
    partial = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for path in sorted(source.iterdir()):
            if path.suffix in EXTRAS and path.name not in (SHARDS, HASHES):
                shutil.copyfile(path, partial / path.name)
        _write_weights(sorted(source.glob("*.safetensors")), partial / "model.safetensors")
        write_hashes(partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise SpaceformerError(f"text model cannot be written to {target}: {error.strerror or error}") from error


def _write_weights(sources, target):
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    kept, has_tower = {}, any(key.startswith(TOWER) for path in sources for key in _keys(path))
    for path in sources:
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - not a dict
                if not has_tower:
                    kept[key] = file.get_tensor(key)
                elif key.startswith(TOWER):
                    value = file.get_tensor(key)
                    kept[key] = value.to(torch.float16) if value.is_floating_point() else value
    save_file(kept, target, metadata={"format": "pt"})


def _keys(path):
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def write_hashes(folder):
    """Record the SHA-256 of every file of a folder in its file HASHES."""
    folder = pathlib.Path(folder)
    digests = {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.name != HASHES}
    replace_file(folder / HASHES, [json.dumps(digests, indent=1).encode()])


def check_files(folder):
    """Compare the files of a folder with the hashes recorded in it, if there are any. Raises SpaceformerError.

    A file is read once per process as long as it does not change: 1.4 GB take seconds, and a text model that is
    unloaded when idle is loaded again and again.
    """
    folder = pathlib.Path(folder)
    if not is_prepared(folder):
        return
    try:
        recorded = dict(json.loads((folder / HASHES).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise SpaceformerError(
            f"{folder / HASHES} is damaged ({error}): delete {folder} and prepare it again"
        ) from error
    for name, expected in recorded.items():
        path = folder / pathlib.Path(name).name
        digest = _sha256_of(path, _identity(path))
        if digest != expected:
            raise SpaceformerError(
                f"{folder / name} has SHA-256 {digest}, expected {expected}: delete {folder} and prepare it again"
            )


def _identity(path):
    """The `file_identity` of a file. Raises SpaceformerError."""
    try:
        return file_identity(path)
    except OSError as error:
        raise SpaceformerError(
            f"{path} cannot be read ({error.strerror}): delete {path.parent} and prepare it again"
        ) from error


@functools.lru_cache(maxsize=64)
def _sha256_of(path, identity):
    return file_sha256(path)
