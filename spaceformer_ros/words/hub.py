# SPDX-License-Identifier: Apache-2.0
"""Text models from the Hugging Face hub, downloaded over TLS at one commit and checked against the hub's hashes.

The hashes come from the same server as the files: they catch damaged downloads, not a hub that was tampered with.
Weights that need more than that have their SHA-256 in the code (`text_model.MINILM_SHA256`, `weights/download.py`).
"""

import hashlib
import logging
import pathlib
import shutil

from .. import SpaceformerError
from ..disk.atomic import replace_file
from ..disk.hashing import update_hashes

logger = logging.getLogger(__name__)

PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model")  # no pickles, no code


def hub_folder(model_id, cache_dir, offline=False, hint="", endpoint=None):
    """Local folder of a text model below cache_dir, downloaded and checked if it is not there yet.

    model_id: TextModelId
    cache_dir: folder of weights and embeddings
    offline: never use the network
    hint: what to do instead of a download, for the error message
    endpoint: another hub address

    Raises SpaceformerError without network, for damaged downloads, and if the model is missing while offline is set.
    """
    from huggingface_hub import HfApi

    cache, api = pathlib.Path(cache_dir) / "hub", HfApi(endpoint=endpoint)
    checked = cache / f"{str(model_id).replace('/', '--')}.checked"  # contains the commit whose files were checked
    wanted = {"repo_id": model_id.name, "cache_dir": cache, "allow_patterns": list(PATTERNS)}
    if checked.is_file():
        try:
            return api.snapshot_download(**wanted, revision=checked.read_text(), local_files_only=True)
        except (OSError, ValueError) as error:
            logger.warning("text model %s is no longer in %s: %s", model_id, cache, error)
    if offline:
        raise SpaceformerError(
            f"text model {model_id} is not in {cache_dir} and offline is set: {hint}set offline to false once, or "
            "text_model to a folder that holds it"
        )
    logger.info("downloading text model %s into %s", model_id, cache_dir)
    try:
        folder = pathlib.Path(api.snapshot_download(**wanted, revision=model_id.revision or None))
        tree = api.list_repo_tree(model_id.name, recursive=True, revision=folder.name)
        recorded = {entry.path: entry for entry in tree}
    except Exception as error:  # the hub client raises many kinds; all mean the same here
        raise SpaceformerError(
            f"text model {model_id} could not be downloaded ({type(error).__name__}: {error}): {hint}"
            "check the network, or set text_model to a folder that holds it"
        ) from error
    _check_files(folder, recorded, model_id)
    replace_file(checked, [folder.name.encode()])
    return folder


def download_bytes(model_id, endpoint=None):
    """Size of what `hub_folder` downloads, as the hub states it. Raises SpaceformerError without network."""
    from huggingface_hub import HfApi

    try:
        tree = HfApi(endpoint=endpoint).list_repo_tree(
            model_id.name, recursive=True, revision=model_id.revision or None
        )
        return sum(entry.size for entry in tree if any(pathlib.PurePath(entry.path).match(form) for form in PATTERNS))
    except Exception as error:  # the hub client raises many kinds; all mean the same here
        raise SpaceformerError(
            f"the hub does not answer about text model {model_id} ({type(error).__name__}: {error}): check its name "
            "and the network"
        ) from error


def remove_download(model_id, cache_dir):
    """Remove what `hub_folder` downloaded of a model."""
    cache = pathlib.Path(cache_dir) / "hub"
    (cache / f"{str(model_id).replace('/', '--')}.checked").unlink(missing_ok=True)
    shutil.rmtree(cache / f"models--{model_id.name.replace('/', '--')}", ignore_errors=True)


def _check_files(folder, recorded, model_id):
    """Compare all files of a snapshot with the hub's hashes; remove the snapshot and raise if one differs."""
    for path in filter(pathlib.Path.is_file, sorted(folder.rglob("*"))):
        expected, found = hashes(recorded[path.relative_to(folder).as_posix()], path)
        if found != expected:
            shutil.rmtree(folder.parent.parent)
            raise SpaceformerError(
                f"{path.name} of text model {model_id} has hash {found}, expected {expected}: the download was damaged "
                "and has been removed; run it again"
            )


def hashes(entry, path):
    """The hash that the hub records for a file, and that of the local file: SHA-256, for small files git's SHA-1.

    entry: RepoFile of huggingface_hub.
    """
    digest = hashlib.sha256() if entry.lfs else hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    update_hashes(path, digest)
    return entry.lfs.sha256 if entry.lfs else entry.blob_id, digest.hexdigest()
