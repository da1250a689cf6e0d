# SPDX-License-Identifier: Apache-2.0
"""Token ids as the text towers of SigLIP and SigLIP2 were trained on: the text, one end token, padding to 64 positions.

A wrong layout gives wrong vectors without any error: the pooled position is the last one, a padding token. Which file
of a model decides about start and end tokens differs between versions 4 and 5 of transformers, so they are added here.
"""

from .. import SpaceformerError

LENGTH = 64  # positions; shorter texts were padded to it in training, longer ones cut
PROBE = "chair"  # tokenised after loading to check the layout


def siglip_tokens(tokenizer, texts):
    """Token ids of texts, lists of LENGTH int each: no start token, one end token, padding on the right."""
    rows = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=LENGTH - 1)["input_ids"]
    padding = [tokenizer.pad_token_id] * LENGTH
    return [[*row, tokenizer.eos_token_id, *padding][:LENGTH] for row in rows]


def check_siglip_tokens(tokenizer):
    """Raise SpaceformerError unless a tokenizer gives the layout of `siglip_tokens`."""
    end, pad, start, unknown = (getattr(tokenizer, f"{name}_token_id", None) for name in ("eos", "pad", "bos", "unk"))
    if end is None or pad is None:
        raise SpaceformerError(f"its tokenizer has no {'end' if end is None else 'padding'} token: not one of SigLIP")
    (row,) = siglip_tokens(tokenizer, [PROBE])
    text = row[: row.index(end)]
    fits = len(row) == LENGTH and row[len(text) + 1 :] == [pad] * (LENGTH - len(text) - 1)
    if not text or not fits or {start, pad} & set(text) or set(text) == {unknown}:
        shown = tokenizer.convert_ids_to_tokens(row[:8])
        raise SpaceformerError(
            f"its tokenizer gives {shown} ... for {PROBE!r}, expected the text, one end token and padding to {LENGTH}: "
            "use the versions of transformers in setup.py"
        )
