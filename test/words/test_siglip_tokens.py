# SPDX-License-Identifier: Apache-2.0
"""The layouts of tokenizer files on which versions 4 and 5 of transformers decide differently."""

import pytest
from helpers.text_models import SPECIAL, save_siglip

from spaceformer_ros import SpaceformerError
from spaceformer_ros.words.siglip_tokens import check_siglip_tokens, siglip_tokens
from spaceformer_ros.words.text_encoder import TextEncoder
from spaceformer_ros.words.text_model import TextModelId

PAD, END, START = (SPECIAL.index(f"<{name}>") for name in ("pad", "eos", "bos"))
LAYOUTS = [("eos", True), ("bos", True), ("eos", False), ("", True), ("bos", False)]


@pytest.fixture(params=LAYOUTS, ids=str)
def folder(request, tmp_path):
    return save_siglip(tmp_path, *request.param)


@pytest.mark.slow
def test_every_layout_gives_the_text_one_end_token_and_padding(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    check_siglip_tokens(tokenizer)
    long, short = siglip_tokens(tokenizer, ["chair " * 100, "chair"])
    assert short[1:] == [END] + [PAD] * 62
    assert short[0] not in (PAD, END, START)
    assert (len(long), long.count(END), long[-1]) == (64, 1, END)
    assert START not in long


@pytest.mark.slow
def test_vectors_do_not_depend_on_the_layout(folder, tmp_path_factory):
    expected = TextEncoder(save_siglip(tmp_path_factory.mktemp("plain")), TextModelId("x")).encode(["a red chair"])
    assert TextEncoder(folder, TextModelId("x")).encode(["a red chair"]) == pytest.approx(expected, abs=1e-6)


class OtherTokenizer:
    """A tokenizer that gives `row` for every text."""

    eos_token_id, pad_token_id, bos_token_id, unk_token_id = END, PAD, START, 3

    def __init__(self, row, **changes):
        self.row = row
        self.__dict__.update(changes)

    def __call__(self, texts, **_):
        return {"input_ids": [self.row for _ in texts]}

    def convert_ids_to_tokens(self, ids):
        return [str(i) for i in ids]


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        (OtherTokenizer([START, 7]), "expected the text, one end token and padding to 64"),
        (OtherTokenizer([7, END]), "expected the text"),
        (OtherTokenizer([]), "expected the text"),
        (OtherTokenizer([3]), "expected the text"),
        (OtherTokenizer([7], eos_token_id=None), "has no end token"),
        (OtherTokenizer([7], pad_token_id=None), "has no padding token"),
    ],
)
def test_a_tokenizer_that_cannot_be_repaired_is_refused(tokenizer, words):
    with pytest.raises(SpaceformerError, match=words):
        check_siglip_tokens(tokenizer)
