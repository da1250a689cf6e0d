# SPDX-License-Identifier: Apache-2.0
import math

import make_lexicon
import numpy as np
import pytest

from spaceformer_ros.words.label_space import NO_BASELINE, LabelSpace
from spaceformer_ros.words.lexicon import TABLE, Lexicon, lexicon
from spaceformer_ros.words.similarity import CosineBaseline, Similarity
from spaceformer_ros.words.vocabulary import Vocabulary

LINES = (
    *("\tthing", "0\tseat1", "0\ttool", "1\tchair", "1\tsofa,couch", "1\tbank1"),
    *("3\tarmchair", "2\thammer", "0\t", "8\tbank2", "8\thill"),  # kinds of what line 8 stands for
)
SMALL = Lexicon(LINES)


def kinship(text, *phrases, table=SMALL):
    return table.kinship(text, [table.senses_of_label(phrase) for phrase in phrases])


def test_a_table_is_read_with_ranks_of_senses():
    assert [(sense.row, sense.rank) for sense in SMALL.senses("Bank")] == [(5, 0), (9, 1)]
    assert SMALL.senses("  couch ") == SMALL.senses("couches") == SMALL.senses("sofas") != []
    assert SMALL.senses("unheard of") == []
    assert kinship("unheard of", "sofa") is None


def test_a_label_that_is_an_unknown_compound_is_a_kind_of_its_last_words():
    assert SMALL.senses_of_label("red dining chair") == [SMALL.senses("chair")[0]._replace(leaf=True)]
    assert SMALL.senses_of_label("chair of steel") == []
    _, kin, covered = kinship("chair", "dining chair")
    assert kin.all()
    assert covered.all()
    assert not kinship("armchair", "dining chair")[1].any()


def test_similarity_is_that_of_lin_with_intrinsic_information():
    total = math.log(len(LINES))
    seat, chair = 1 - math.log(5) / total, 1 - math.log(2) / total
    similarity, kin, covered = kinship("chair", "couch", "armchair", "seat", "chair", "hammer")
    expected = [2 * seat / (chair + 1), 2 * chair / (chair + 1), 2 * seat / (seat + chair), 1, 0]
    assert np.allclose(similarity, expected)
    assert np.allclose(kinship("seat", "dining chair")[0], 2 * seat / (seat + 1))
    assert kin.tolist() == [False, True, True, True, False]
    assert covered.tolist() == [False, True, False, False, False]


def test_rarer_senses_count_less_and_the_most_general_things_relate_nothing():
    seat = 1 - math.log(5) / math.log(len(LINES))
    land = 1 - math.log(3) / math.log(len(LINES))
    similarity, *_ = kinship("bank", "seat", "bank", "hill")
    assert np.allclose(similarity, [2 * seat / (seat + 1), 1, 0.9 * land])
    assert not np.any(kinship("thing", "chair", "hammer"))


@pytest.mark.parametrize(
    ("text", "same", "covered"),
    [
        ("icebox", ["refrigerator"], []),
        ("armoire", ["wardrobe"], []),
        ("lamps", [], ["floor lamp", "table lamp", "ceiling lamp"]),
        ("home appliance", [], ["refrigerator", "washing machine"]),
        ("poodle", ["dog"], []),
        ("nurses", ["person"], []),
        ("object", [], []),
        ("food", [], []),  # is the third sense of table
        ("devotee", ["person"], []),  # and the third of fan
    ],
)
def test_what_nouns_mean(text, same, covered):
    labels = [
        *("refrigerator", "wardrobe", "floor lamp", "table lamp", "ceiling lamp", "washing machine", "dog", "person"),
        *("mirror", "tv stand", "table", "fan"),
    ]
    _, kin, covers = kinship(text, *labels, table=lexicon())
    assert [label for label, is_kin in zip(labels, kin) if is_kin] == [*sorted([*same, *covered], key=labels.index)]
    assert [label for label, is_covered in zip(labels, covers) if is_covered] == covered


BASELINE = CosineBaseline(0.0, 0.2)


def space_of(labels, baseline=BASELINE):
    """A LabelSpace whose phrases are separate axes, [C] = 8."""
    vocabulary = Vocabulary.parse(labels)
    return LabelSpace(vocabulary, np.eye(len(vocabulary.texts), 8, dtype=np.float32), Similarity(), baseline=baseline)


NOTHING = np.eye(8, dtype=np.float32)[7]  # the vector of a text that is unlike all labels


def test_a_noun_means_its_label_where_the_text_model_sees_none():
    meaning = space_of(["refrigerator", "locker|wardrobe", "table"]).meaning("armoire", NOTHING)
    similarity, kin, _ = kinship("armoire", "wardrobe", "table", table=lexicon())
    assert kin.tolist() == [True, False]
    assert np.isclose(math.log(meaning[1] / meaning[2]), 6 * (similarity[0] - similarity[1]) + 2)
    assert np.isclose(meaning.sum(), 1)


def test_a_noun_for_several_labels_means_each_and_the_text_model_orders_them():
    space = space_of(["floor lamp", "mirror", "table lamp"])
    meaning = space.meaning("lamp", np.array([0.6, 0, 0.8, 0, 0, 0, 0, 0], dtype=np.float32))
    assert meaning[2] == 1
    assert np.isclose(meaning[0], math.exp(-0.5 * 1.5 * 0.2 / 0.2), atol=0.01)
    assert meaning[1] < 0.1


def test_unknown_nouns_and_models_without_baseline_are_read_by_the_text_model_alone():
    labels, vector = ["refrigerator", "wardrobe"], np.array([0.6, 0.8, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    unknown = space_of(labels).meaning("blorb", vector)
    assert np.allclose(unknown, [1 / (1 + math.exp(3)), 1 / (1 + math.exp(-3))], atol=0.01)
    assert np.allclose(space_of(labels, NO_BASELINE).meaning("armoire", vector), 0)


def test_the_table_is_made_from_wordnet(tmp_path):
    (tmp_path / "data.noun").write_text(
        "  1 This software and database\n"
        "00000001 03 n 01 thing 0 000 | all\n"
        "00000002 06 n 02 sofa 0 Chesterfield 0 001 @ 00000001 n 0000 | a seat\n"
        "00000003 18 n 01 sofa 1 001 @ 00000001 n 0000 | no word of any text\n"
        "00000004 04 n 01 sofa 2 001 @ 00000001 n 0000 | an act\n"
        "00000005 13 n 01 sofa_bread 0 002 @ 00000006 n 0000 ~ 00000002 n 0000 | food\n"
        "00000006 04 n 01 baking 0 001 @ 00000001 n 0000 | an act that connects\n"
        "00000007 18 n 01 baker 0 001 @ 00000001 n 0000 | a person\n"
    )
    (tmp_path / "index.noun").write_text(
        "  1 This software and database\n"
        "thing n 1 0 1 0 00000001  \nsofa n 3 1 @ 3 0 00000004 00000002 00000003  \n"
        "sofa_bread n 1 0 1 0 00000005  \nbaker n 1 0 1 1 00000007  \nbaking n 1 0 1 0 00000006  \n"
    )
    (tmp_path / "cntlist.rev").write_text("baker%1:18:00:: 1 3\nsofa%1:04:00:: 1 2\n")
    synsets = make_lexicon.read_synsets(tmp_path / "data.noun")
    kept = make_lexicon.select(synsets, make_lexicon.read_uses(tmp_path / "cntlist.rev"))
    lines = make_lexicon.table(synsets, kept, make_lexicon.read_order(tmp_path / "index.noun"))
    assert lines == ["\tthing", "0\tsofa", "0\t", "0\tbaker", "2\tsofa bread"]


def test_the_licence_lies_beside_the_table():
    assert "Copyright 2006 by Princeton University" in TABLE.with_name("lexicon_LICENSE.txt").read_text()
    assert TABLE.stat().st_size < 300_000
