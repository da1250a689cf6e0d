# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: weights with their configuration, the identity of their text model and a hash. Loading runs no code.

Files of this package are safetensors with a JSON header; the released file is a Lightning checkpoint, loaded
weights-only. Both are loaded strictly.
"""

import hashlib
import json
import math
import pathlib
import zipfile
from dataclasses import asdict, dataclass, field

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .. import SpaceformerError
from ..disk.atomic import replacing
from ..disk.paths import expand_user, prepare_command
from ..disk.reading import open_regular_file
from ..network.model import SpaCeFormer, SpaCeFormerConfig
from ..words.calibration import Calibration
from ..words.similarity import Similarity
from ..words.text_model import MINILM, TextModelId

FORMAT = "spaceformer_ros checkpoint 1"
DEMO_TEXT_MODEL = TextModelId(MINILM)
DEMO_FILE = pathlib.Path(__file__).parent / "demo.safetensors"
# Fields of the configuration that were removed, with the only value that the network still supports. Files keep them,
# as their hash covers the header.
REMOVED_FIELDS = {"looks": 1}
MAX_BYTES = 1 << 32  # of a file
MAX_SCALE = 1e4  # of a Similarity; the released network has 1, the demo network 20
# Lowest and highest value of the numbers in a SpaCeFormerConfig and in its StageConfigs.
LIMITS = {
    "voxel_size": (1e-3, 10.0),
    "feature_channels": (1, 1 << 16),
    "text_channels": (1, 1 << 16),
    "decoder_channels": (1, 1 << 16),
    "decoder_heads": (1, 1 << 10),
    "decoder_hidden": (1, 1 << 18),
    "num_queries": (1, 100_000),
    "iterations": (1, 100),
    "position_octaves": (0, 32),
    "name_head": (0, 1 << 14),
    "point_head": (0, 1 << 12),
    "stem_kernel_size": (1, 15),
    "nms_iou": (0.0, 1.0),
    "fuse_iou": (0.0, 1.0),
    "mlp_ratio": (0.01, 100.0),
    "rope_base": (1.0, 1e9),
}
STAGE_LIMITS = {"channels": (1, 1 << 16), "heads": (1, 1 << 10), "size": (1, 1 << 20), "depth": (1, 1000)}
HEAD_WEIGHT, MAX_WEIGHT = "point_head.weight", 100.0
NOT_NEGATIVE = HEAD_WEIGHT, ".running_var"  # ends of the names of tensors
RELEASED_PREFIX = "net."  # of the network's entries in the released file
LOGIT_SCALE = "caption_loss.logit_scale"  # logarithm of the scale of cosines in its training
RELEASED_TEXT_MODEL = TextModelId("google/siglip2-so400m-patch14-224", "78e403963a4f6a3640d07803284752326fdf4edf")


@dataclass(frozen=True)
class Checkpoint:
    """A network with what is needed to use it.

    model: in eval mode, float32
    text_model: TextModelId whose embeddings its clip features are compared with
    similarity: how the two are compared
    sha256: of header and weights
    name: "demo", "released" or the name of the file
    notes: free-form facts such as the training command
    calibration: what its scores mean, None if that was not measured
    """

    model: SpaCeFormer
    text_model: TextModelId
    similarity: Similarity
    sha256: str
    name: str
    notes: dict = field(default_factory=dict)
    calibration: Calibration | None = None

    def similarity_for(self, name):
        """The Similarity for the setting `similarity`: "checkpoint" or "cosine". Raises SpaceformerError."""
        if name == "checkpoint" or self.similarity.normalize:
            return self.similarity
        logarithm = self.notes.get("logit_scale")
        if logarithm is None or not -20 < logarithm < math.log(MAX_SCALE):
            raise SpaceformerError(
                f"similarity cosine needs the scale that training learned; checkpoint {self.name} has {logarithm}: set "
                "similarity to checkpoint"
            )
        return Similarity(normalize=True, scale=math.exp(logarithm))

    def calibration_for(self, similarity):
        """The Calibration for a Similarity: it holds for the checkpoint's own only, for another one None."""
        return self.calibration if similarity == self.similarity else None


def load_checkpoint(name, released_file=None):
    """The checkpoint for the setting `checkpoint`: "demo", "released" or a path.

    released_file: path of the released weights, see `download.released_file`. Raises SpaceformerError.
    """
    path = checkpoint_file(name, released_file)
    if name == "released" or path.suffix != ".safetensors":
        return load_released(path)
    return load_file(path, name="demo" if name == "demo" else None)


def checkpoint_file(name, released_file=None):
    """Path of the file that `load_checkpoint` loads. Raises SpaceformerError if it does not exist."""
    if name == "demo":
        return DEMO_FILE
    if name == "released":
        if released_file is None or not pathlib.Path(released_file).is_file():
            raise SpaceformerError(
                f"the released weights are not at {released_file}: run `{prepare_command()}` once; it shows their "
                "licence (CC-BY-NC-4.0, non-commercial) and downloads them if you agree"
            )
        return pathlib.Path(released_file)
    path = expand_user(name)
    if not path.is_file():
        raise SpaceformerError(f'checkpoint {name!r}: no such file; use "demo", "released" or the path of a checkpoint')
    return path


def save_checkpoint(path, model, text_model, similarity, notes=None, dtype=torch.float16):
    """Write a model with its configuration to a .safetensors file, floats stored as `dtype`; returns the SHA-256.

    A new checkpoint has no calibration: `add_calibration` adds it when it has been measured. Raises SpaceformerError
    for weights that are not finite in this type, which could not be loaded.
    """
    state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in model.state_dict().items()}
    state = {key: value.contiguous().cpu() for key, value in state.items()}
    if wrong := _not_finite(state):
        raise SpaceformerError(
            f"{path} is not written: {len(wrong)} tensors are not finite ({', '.join(wrong[:3])}): the training has "
            "diverged, lower its learning_rate"
        )
    header = {
        "format": FORMAT,
        "model": model.config.to_dict(),
        "text_model": asdict(text_model),
        "similarity": asdict(similarity),
        "notes": notes or {},
    }
    return _write(path, header, state)


def add_calibration(path, calibration):
    """Store a Calibration in a file of `save_checkpoint`, in place of an earlier one; returns the new SHA-256."""
    load_file(path)  # raises for damaged files
    header, state = _read(path)
    header.pop("sha256")
    return _write(path, {**header, "calibration": calibration.to_dict()}, state)


def _write(path, header, state):
    header["sha256"] = hash_checkpoint(header, state)
    with replacing(path) as partial:
        save_file(state, partial, metadata={"spaceformer": json.dumps(header)})
    return header["sha256"]


def load_file(path, name=None):
    """A checkpoint written by `save_checkpoint`. Raises SpaceformerError for damaged and foreign files."""
    header, state = _read(path)
    if header.get("format") != FORMAT:
        found = str(header.get("format"))[:40]
        kind = FORMAT.rpartition(" ")[0]  # without the version
        advice = "update the package" if found.startswith(kind) else "it is no checkpoint"
        raise SpaceformerError(f"{path} has format {found!r}, expected {FORMAT!r}: {advice}")
    recorded = header.pop("sha256", None)
    digest = hash_checkpoint(header, state)
    if digest != recorded:
        raise SpaceformerError(
            f"{path} is damaged: its content has SHA-256 {digest}, it was written with {str(recorded)[:64]}"
        )
    try:
        config = model_config(header["model"], path)
        check_sizes(config, len(state))
        text_model, similarity = TextModelId(**header["text_model"]), Similarity(**header["similarity"])
        _check_texts_and_scale(text_model, similarity)
        notes = dict(header["notes"])
        calibration = Calibration.from_dict(header["calibration"]) if "calibration" in header else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpaceformerError(
            f"{path} has a header with wrong contents ({type(error).__name__}: {str(error)[:200]})"
        ) from error
    return Checkpoint(
        model=build_model(config, state, path),
        text_model=text_model,
        similarity=similarity,
        sha256=digest,
        name=name or pathlib.Path(path).name,
        notes=notes,
        calibration=calibration,
    )


def _read(path):
    """Header (dict) and tensors (dict) of a file of this package. Raises SpaceformerError."""
    with open_regular_file(path, MAX_BYTES):
        pass  # the library below waits for a pipe and has no limit
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {})["spaceformer"]
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        header = json.loads(text)
        if not isinstance(header, dict) or json.dumps(header) != text or not _has_clean_padding(path):
            raise ValueError("its header was changed")
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise SpaceformerError(
            f"{path} is not a checkpoint of this package, or is damaged ({type(error).__name__}: {error})"
        ) from error
    return header, state


def check_sizes(config, num_tensors):
    """Raise ValueError or TypeError unless the numbers of a SpaCeFormerConfig are usable and fit a file with that many
    tensors: the network is built from them before it is compared with the tensors."""
    stages = [*config.encoder, *config.decoder]
    rows = [(name, getattr(config, name), limits) for name, limits in LIMITS.items()]
    rows += [(name, getattr(stage, name), limits) for stage in stages for name, limits in STAGE_LIMITS.items()]
    for name, value, (low, high) in rows:
        allowed = int if isinstance(high, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed) or not low <= value <= high:
            raise ValueError(f"{name} is {repr(value)[:40]}, expected {low:g} to {high:g}")
    if sum(stage.depth for stage in stages) > num_tensors:
        raise ValueError(f"{sum(stage.depth for stage in stages)} blocks, but {num_tensors} tensors")


def _check_texts_and_scale(text_model, similarity):
    """Raise ValueError unless a TextModelId holds texts and a Similarity a usable scale."""
    if not all(isinstance(text, str) and text.isprintable() for text in (text_model.name, text_model.revision)):
        raise ValueError("text_model is not a name and a revision")
    if not isinstance(similarity.normalize, bool) or not isinstance(similarity.scale, (int, float)):
        raise ValueError("similarity is not a bool and a number")
    if not 0 < similarity.scale <= MAX_SCALE:
        raise ValueError(f"similarity has scale {similarity.scale}, expected a number up to {MAX_SCALE:g}")


def model_config(values, path):
    """The SpaCeFormerConfig of a header. Raises SpaceformerError if it does not fit this version."""
    for name, value in REMOVED_FIELDS.items():
        if values.get(name, value) != value:
            raise SpaceformerError(f"{path}: {name} {values[name]} is not supported any more, only {value}")
    try:
        return SpaCeFormerConfig.from_dict({name: values[name] for name in values if name not in REMOVED_FIELDS})
    except SpaceformerError as error:
        raise SpaceformerError(f"{path}: {error}") from error


def _has_clean_padding(path):
    """Whether the header of a safetensors file is padded with spaces only: the hash does not cover the padding."""
    with open(path, "rb") as file:
        return file.read(int.from_bytes(file.read(8), "little")).rstrip(b" ").endswith(b"}")


def load_released(path):
    """The released Lightning checkpoint: entries under "net.", everything else (training state) left out."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch does not check them
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} is wrong: the file is damaged")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle and unpickling errors; all mean that the file is not usable
        raise SpaceformerError(f"{path} cannot be loaded weights-only ({type(error).__name__}: {error})") from error
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    state = {
        key.removeprefix(RELEASED_PREFIX): value
        for key, value in (content.items() if isinstance(content, dict) else ())
        if isinstance(key, str) and key.startswith(RELEASED_PREFIX) and isinstance(value, torch.Tensor)
    }
    if not state:
        raise SpaceformerError(f"{path} has no entries under {RELEASED_PREFIX!r}: this is not the released checkpoint")
    model = build_model(SpaCeFormerConfig.released(), state, path)
    scale = content.get(LOGIT_SCALE)
    has_scale = isinstance(scale, torch.Tensor) and scale.numel() == 1
    notes = {"logit_scale": float(scale)} if has_scale else {}
    return Checkpoint(model, RELEASED_TEXT_MODEL, Similarity(), hash_checkpoint({}, state), "released", notes)


def build_model(config, state, source):
    """A model with these weights in eval mode, float32. One error lists missing, unexpected and misshapen keys, and
    those with values that are not finite."""
    try:
        with torch.device("meta"):  # shapes only: the memory of a network that does not fit is never allocated
            expected = {key: tuple(value.shape) for key, value in SpaCeFormer(config).state_dict().items()}
    except (ValueError, TypeError, ArithmeticError, AssertionError, RuntimeError) as error:
        raise SpaceformerError(f"{source} does not describe a network ({str(error)[:200]})") from error
    problems = [
        *(f"missing: {key}" for key in expected if key not in state),
        *(f"unexpected: {key}" for key in state if key not in expected),
        *(
            f"misshapen: {key} is {list(state[key].shape)}, expected {list(shape)}"
            for key, shape in expected.items()
            if key in state and tuple(state[key].shape) != shape
        ),
        *(f"not finite: {key}" for key in _not_finite(state)),
        *(f"out of range: {key}" for key in _out_of_range(state)),
    ]
    if problems:
        listed = "; ".join(problems[:20]) + (f"; and {len(problems) - 20} more" if len(problems) > 20 else "")
        raise SpaceformerError(f"{source} does not fit the network ({len(problems)} keys): {listed}")
    model = SpaCeFormer(config)
    model.load_state_dict(state, strict=True)
    return model.eval().requires_grad_(False)


def _not_finite(state):
    """Names of the tensors with values that are not finite."""
    return [key for key, value in state.items() if not value.float().isfinite().all()]


def _out_of_range(state):
    """Names of the tensors with values for which the network gives no finite result."""
    highest = {key: MAX_WEIGHT if key == HEAD_WEIGHT else math.inf for key in state if key.endswith(NOT_NEGATIVE)}
    return [key for key, high in highest.items() if ((state[key] < 0) | (state[key] > high)).any()]


def hash_checkpoint(header, state):
    """SHA-256 over the header and over keys, types, shapes and bytes of all tensors, in key order."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for key in sorted(state):
        value = state[key].contiguous()
        digest.update(f"{key} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
