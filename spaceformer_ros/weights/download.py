# SPDX-License-Identifier: Apache-2.0
"""Download of the released weights, after consent to their licence.

The download goes through huggingface_hub (with progress, over TLS). A file is moved to `released_file` only after its
hashes were checked. A file that was put there by hand is checked by `spaceformer prepare` too.
"""

import hashlib
import pathlib

from .. import SpaceformerError
from ..disk.atomic import move_file
from ..disk.hashing import update_hashes

REPOSITORY = "chrischoy/SpaCeFormer"
REVISION = "a8e81555ca9c668a5e2134da520eb76176d4d4d9"
FILE = "spaceformer_512_siglip2_ssccc.ckpt"
MD5 = "0ec6a123b422053ed3988fbf442aeaa1"  # published by the authors
SHA256 = "ac20817f6bab055483d2374c146c31050ae147c452f74123e43ef29f5ff9eed5"  # recorded by an independent user
BYTES = 327_000_000
LICENCE = """\
The released SpaCeFormer weights (327 MB, huggingface.co/chrischoy/SpaCeFormer) are licensed CC-BY-NC-4.0:
you may use them for non-commercial purposes only, and must credit the authors (arXiv 2604.20395).
They were trained on ScanNet, ScanNet++, ARKitScenes and Matterport3D, whose terms of use apply as well.
This package itself and its demo weights are Apache-2.0.
"""


def released_file(cache):
    """Path of the released weights in a cache folder."""
    return pathlib.Path(cache) / "released" / FILE


def download_released(cache, agreed, accepted_sha256="", endpoint=None):
    """Download the released weights, unless they are there, and check them in any case. Returns their path.

    cache: folder of weights and embeddings
    agreed: whether the user accepted LICENCE
    accepted_sha256: a SHA-256 to accept in addition to the recorded one
    endpoint: another hub address

    Raises SpaceformerError without consent, network or matching hashes.
    """
    target = released_file(cache)
    if target.is_file():  # perhaps put there by hand
        check_hashes(target, accepted_sha256)
        return target
    if not agreed:
        raise SpaceformerError("the weights are downloaded only after you accept their licence: add --accept-licence")
    from huggingface_hub import hf_hub_download

    folder = pathlib.Path(cache) / "download"
    try:
        path = hf_hub_download(REPOSITORY, FILE, revision=REVISION, local_dir=folder, endpoint=endpoint)
    except Exception as error:  # the hub client raises many types; all mean that the download failed
        raise SpaceformerError(
            f"the released weights could not be downloaded ({type(error).__name__}: {error}): check the network and "
            f"run it again; or place {FILE} at {target} manually"
        ) from error
    check_hashes(path, accepted_sha256)
    target.parent.mkdir(parents=True, exist_ok=True)
    move_file(path, target)
    return target


def check_hashes(path, accepted_sha256=""):
    """Compare a downloaded file with the recorded hashes. Raises SpaceformerError that names both values."""
    digests = {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
    update_hashes(path, *digests.values())
    md5, sha256 = (digests[name].hexdigest() for name in ("md5", "sha256"))
    if md5 != MD5:
        raise SpaceformerError(f"{path} has MD5 {md5}, expected {MD5}: it is damaged or not the release; delete it")
    if sha256 not in (SHA256, accepted_sha256):
        raise SpaceformerError(
            f"{path} has the MD5 that its authors publish, but SHA-256 {sha256} where {SHA256} was recorded by a user: "
            f"if you have checked that this is the release, accept it with --accept-sha256 {sha256}"
        )
