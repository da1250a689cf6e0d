"""Models from the Hugging Face hub: downloaded over TLS at one commit, used only after their hashes were checked."""

import hashlib
import logging
import pathlib
import shutil

from .. import SpaceformerError
from ..disk.hashing import update_hashes

logger = logging.getLogger(__name__)

PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model")  # no pickles, no code


def hub_folder(model_id, cache_dir, offline=False, hint="", endpoint=None):
    """Local folder of a hub model: its snapshot below cache_dir, downloaded and checked where it is not there yet.

    Every file is compared with the SHA-256 (small files: the git hash) that the hub records for this commit; a file
    beside the snapshots remembers that this was done. model_id: TextModelId; hint: what to do instead of a download;
    endpoint: another hub address. Raises SpaceformerError.
    """
    from huggingface_hub import HfApi

    cache, api = pathlib.Path(cache_dir) / "hub", HfApi(endpoint=endpoint)
    checked = cache / f"{str(model_id).replace('/', '--')}.checked"
    wanted = {"repo_id": model_id.name, "cache_dir": cache, "allow_patterns": list(PATTERNS)}
    if checked.is_file():
        try:
            return api.snapshot_download(**wanted, revision=checked.read_text(), local_files_only=True)
        except (OSError, ValueError) as error:
            logger.warning("text model %s is no longer in %s: %s", model_id, cache, error)
    if offline:
        raise SpaceformerError(
            f"text model {model_id} is not in {cache_dir} and offline is set: run `spaceformer prepare` once with "
            "a network, or set text_model to a folder that holds it"
        )
    logger.info("downloading text model %s into %s", model_id, cache_dir)
    try:
        folder = api.snapshot_download(**wanted, revision=model_id.revision or None)
        commit = pathlib.Path(folder).name
        recorded = {entry.path: entry for entry in api.list_repo_tree(model_id.name, recursive=True, revision=commit)}
    except Exception as error:  # the hub client raises many kinds; all mean the same here
        raise SpaceformerError(
            f"text model {model_id} could not be downloaded ({type(error).__name__}: {error}): {hint}"
            "check the network, or set text_model to a folder that holds it"
        ) from error
    for path in filter(pathlib.Path.is_file, sorted(pathlib.Path(folder).rglob("*"))):
        expected, found = hashes(recorded[path.relative_to(folder).as_posix()], path)
        if found != expected:
            shutil.rmtree(pathlib.Path(folder).parent.parent)
            raise SpaceformerError(
                f"{path.name} of text model {model_id} has hash {found}, expected {expected}: the download was damaged "
                "and is removed; run it again"
            )
    checked.write_text(commit)
    return folder


def hashes(entry, path):
    """The hash that the hub records for a file and that of the local file: SHA-256, or git's own of small files.

    entry: RepoFile of huggingface_hub.
    """
    digest = hashlib.sha256() if entry.lfs else hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    update_hashes(path, digest)
    return entry.lfs.sha256 if entry.lfs else entry.blob_id, digest.hexdigest()
