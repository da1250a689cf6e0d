# SPDX-License-Identifier: Apache-2.0
"""Small text models with random weights, in folders laid out as those of the hub."""

import json
import pathlib

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
MERGES = [("c", "h"), ("a", "i"), ("ch", "ai"), ("chai", "r"), ("▁", "chair")]
CONFIG = {
    "added_tokens_decoder": {
        str(i): {"content": token, "lstrip": False, "normalized": False, "rstrip": False, "special": True}
        for i, token in enumerate(SPECIAL)
    },
    **{f"{name}_token": f"<{name}>" for name in ("bos", "eos", "pad", "unk")},
    "model_input_names": ["input_ids"],
    "model_max_length": 64,
    "padding_side": "right",
    "tokenizer_class": "GemmaTokenizer",
}


def save_siglip(folder, template="eos", flags=True, hidden=16, layers=2):
    """A SigLIP2 as google/siglip2-so400m-patch14-224 lies on the hub: model type "siglip", Gemma tokenizer files.

    template: what tokenizer.json adds to a text: "eos", "bos" or "" for nothing; flags: whether tokenizer_config.json
    states that an end token and no start token is added. Of these, transformers 4 and 5 follow different ones.
    """
    from transformers import SiglipConfig, SiglipModel

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = save_tokenizer(folder, template, flags)
    small = {
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": max(2, hidden // 32),
    }
    text = {**small, "model_type": "siglip_text_model", "projection_size": hidden, "vocab_size": vocabulary}
    vision = {**small, "image_size": 28, "patch_size": 14, "model_type": "siglip_vision_model"}
    parts = {"text_config": text, "vision_config": vision}
    (folder / "config.json").write_text(json.dumps({"architectures": ["SiglipModel"], "model_type": "siglip", **parts}))
    torch.manual_seed(0)
    state = {
        key: value
        for key, value in SiglipModel(SiglipConfig(**parts)).state_dict().items()
        if "position_ids" not in key
    }
    save_file(hub_names(state), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def hub_names(state):
    """The weights under the names that the hub's file has; since version 5 transformers nests its modules otherwise."""
    return {key: value.contiguous() for key, value in state.items()}


def save_tokenizer(folder, template, flags):
    """Files of a small Gemma tokenizer. Returns the size of its vocabulary."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = [
        *SPECIAL,
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        *letters,
        "ch",
        "ai",
        "chai",
        "chair",
        "▁chair",
    ]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocabulary, MERGES, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer, made.pre_tokenizer = (
        normalizers.Replace(" ", "▁"),
        pre_tokenizers.Split(" ", "merged_with_previous"),
    )
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    if template:
        single = {"eos": "$A:0 <eos>:0", "bos": "<bos>:0 $A:0"}[template]
        named = [(f"<{template}>", vocabulary[f"<{template}>"])]
        made.post_processor = processors.TemplateProcessing(single=single, pair=f"{single} $B:1", special_tokens=named)
    made.enable_truncation(64)
    made.enable_padding(length=64, pad_id=0, pad_token="<pad>")
    made.save(str(folder / "tokenizer.json"))
    stated = {"add_bos_token": False, "add_eos_token": True} if flags else {}
    (folder / "tokenizer_config.json").write_text(json.dumps({**CONFIG, **stated}))
    return len(vocabulary)
