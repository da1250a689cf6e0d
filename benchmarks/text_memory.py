# SPDX-License-Identifier: Apache-2.0
"""Memory of a text tower of SigLIP2's size: before the first text, loaded, and unloaded again after its idle time.

    tools/env.sh python -m benchmarks.text_memory                        # bfloat16 on the CPU
    tools/env.sh python -m benchmarks.text_memory --precision float32

The weights are zeros, written as `spaceformer prepare` writes the real ones: memory and time do not depend on them. It
needs 1.4 GB of disk and up to 5 GB of memory.
"""

import argparse
import json
import pathlib
import tempfile
import time

import torch
from safetensors.torch import save_file

from spaceformer_ros.segment.memory import peak_bytes as peak
from spaceformer_ros.segment.memory import release_memory, reset_peak, used_bytes
from spaceformer_ros.words.text_encoder import TextEncoder
from spaceformer_ros.words.text_model import TextModelId

# google/siglip2-so400m-patch14-224: 27 layers, 707.8 million weights in its text tower
TEXT = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "vocab_size": 256_000,
    "projection_size": 1152,
    "model_type": "siglip_text_model",
}
CPU = torch.device("cpu")


def write_tower(folder):
    """A text tower of zeros in float16 with a tokenizer of whole words. Returns the number of weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, SiglipTextConfig, SiglipTextModel

    with torch.device("meta"):
        shapes = {key: value.shape for key, value in SiglipTextModel(SiglipTextConfig(**TEXT)).state_dict().items()}
    save_file(
        {key: torch.zeros(shape, dtype=torch.float16) for key, shape in shapes.items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "siglip", "text_config": TEXT, "vision_config": {}}))
    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1, "<unk>": 2, "chair": 3}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=words, **names).save_pretrained(folder)
    return sum(shape.numel() for shape in shapes.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", default="bfloat16", choices=("float32", "bfloat16"))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        weights = write_tower(pathlib.Path(name))
        encoder = TextEncoder(name, TextModelId("zeros"), options.device, options.precision, idle_timeout=0.01)
        release_memory(CPU)
        rows = [("before the first text", used_bytes(CPU), 0.0)]
        encoder._idle_timeout, start = 1e6, time.perf_counter()
        reset_peak(CPU)
        encoder.encode(["chair"])
        rows.append(("loaded, one text", used_bytes(CPU), time.perf_counter() - start))
        highest, start = peak(CPU), time.perf_counter()
        encoder.encode(["chair"] * 8)
        rows.append(("eight more texts", used_bytes(CPU), time.perf_counter() - start))
        encoder._idle_timeout = 0.0
        encoder._unload_if_idle()
        release_memory(CPU)
        rows.append(("unloaded", used_bytes(CPU), 0.0))
    print(f"{weights / 1e6:.1f} million weights, {options.precision} on {options.device}")
    print("| State | Resident GB | Seconds |\n|---|---|---|")
    for state, size, seconds in rows:
        print(f"| {state} | {size / 1e9:.2f} | {seconds:.1f} |")
    print(f"peak while loading: {highest / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
