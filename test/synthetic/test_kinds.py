# SPDX-License-Identifier: Apache-2.0
"""Kinds: every kind can be built; names, captions and colour words are correct."""

import numpy as np
import pytest
from helpers.rooms import SEEDS, clean

from spaceformer_ros.synthetic import (
    KINDS,
    OBJECT_KINDS,
    STRUCTURE,
    THEME_NAMES,
    RoomConfig,
    make_room,
    object_points,
)
from spaceformer_ros.synthetic.colors import PALETTES, draw_color
from spaceformer_ros.synthetic.placement import make_thing
from spaceformer_ros.synthetic.room import build
from spaceformer_ros.synthetic.sampling import sample
from spaceformer_ros.synthetic.themes import THEMES
from spaceformer_ros.synthetic.things import BUILDERS
from spaceformer_ros.words.color_words import COLOR_WORDS, color_word


def test_there_are_many_kinds_and_names_are_not_ambiguous():
    assert len(OBJECT_KINDS) >= 45
    assert set(STRUCTURE) == {"wall", "floor", "ceiling"}
    names = [name for kind in KINDS.values() for name in (*kind.names, *kind.held_out)]
    assert len(names) == len(set(names))
    assert all(kind.held_out for kind in KINDS.values())


def test_known_synonyms_are_held_out():
    known = {"sofa": "couch", "refrigerator": "fridge", "trash can": "bin", "bookshelf": "bookcase"}
    known["television"] = "telly"
    assert {kind: name for kind, name in known.items() if name not in KINDS[kind].held_out} == {}


MODULES = sorted({builder.__module__ for builder in BUILDERS.values()})


def test_every_kind_has_a_builder():
    assert set(BUILDERS) == set(OBJECT_KINDS)


@pytest.mark.parametrize("module", MODULES)
def test_every_kind_can_be_built_in_many_forms(module):
    for kind in (kind for kind, builder in BUILDERS.items() if builder.__module__ == module):
        rng = np.random.default_rng(0)
        shapes = [make_thing(rng, kind).shape for _ in range(6)]
        sizes = {tuple(np.round(np.subtract(*shape.bounds()), 4)) for shape in shapes}
        assert len(sizes) > 1, kind
        for shape in shapes:
            check_shape(kind, shape, rng)


def check_shape(kind, shape, rng):
    """A shape of a sensible size on the floor, whose samples are on it, with unit normals."""
    low, high = shape.bounds()
    xyz, normal, primitive = sample(shape.table, 0.02, rng)
    assert len(xyz) > 20, kind
    assert abs(low[2]) < 1e-9, kind
    assert (xyz > low - 1e-4).all(), kind
    assert (xyz < high + 1e-4).all(), kind
    assert np.allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-3), kind
    assert primitive.max() < len(shape.table), kind
    assert 0.05 < (high - low).max() < 4.5, kind


@pytest.mark.slow
def test_every_kind_occurs_in_some_room():
    missing, rare_in = set(OBJECT_KINDS), ("kitchen", "bathroom", "living room")
    for seed in range(20):  # until all kinds were seen
        for theme in rare_in if seed else THEME_NAMES:
            if missing:
                things = build(np.random.default_rng([seed, 7]), RoomConfig(theme=theme, density=1.5)).furniture
                missing -= {thing.kind for thing in things}
    assert not missing


def test_themes_name_known_kinds_only():
    for theme in THEMES.values():
        assert {*theme.along, *theme.corners, *theme.hung, *theme.loose} <= set(OBJECT_KINDS)


@pytest.mark.slow
def test_held_out_names_are_in_no_caption():
    held_out = {name for kind in KINDS.values() for name in kind.held_out}
    phrases = {f" {c} " for seed in SEEDS for o in clean(seed).objects for c in o.captions()}
    phrases |= {f" {name} " for kind in KINDS.values() for name in kind.names}
    found = {name for name in held_out for phrase in phrases if f" {name} " in phrase}
    assert not found


def test_captions_describe_the_object():
    thing = next(o for o in clean(0).objects if o.second_color is None)
    captions = thing.captions()
    assert thing.kind in captions
    assert f"{thing.color} {thing.kind}" in captions
    assert f"{thing.color} {thing.material} {thing.kind}" in captions
    assert all(any(name in caption for name in thing.names) for caption in captions)
    assert thing.captions(np.random.default_rng(0))[0] in captions


@pytest.mark.slow
def test_captions_are_english():
    phrases = {c for seed in SEEDS for o in clean(seed).objects for c in o.captions()}
    assert any(phrase.startswith("an o") for phrase in phrases)
    assert not any(phrase.startswith(("a a", "a o", "an b", "an r")) for phrase in phrases)
    assert not any(phrase.startswith("a ") and phrase.endswith(("blinds", "drapes", "sneakers")) for phrase in phrases)


def test_a_shade_of_a_word_reads_as_this_word():
    for word in COLOR_WORDS:
        rng = np.random.default_rng(0)
        palette = next(name for name, words in PALETTES.items() if word in words)
        colors = [draw_color(rng, palette) for _ in range(200)]
        named = [color for color in colors if color_word(color) == word]
        assert named, word
        assert min(min(color) for color in named) >= 0
        assert {color_word(color) for color in colors} <= set(PALETTES[palette])


@pytest.mark.slow
def test_color_words_match_the_points_of_plain_objects():
    one_color = {"ball", "trash can", "refrigerator", "office chair", "sofa", "armchair"}
    one_color |= {"bottle", "cup", "towel", "suitcase"}
    near = {
        ("white", "gray"),
        ("beige", "gray"),
        ("gray", "black"),
        ("beige", "brown"),
        ("brown", "black"),
        ("yellow", "beige"),
    }
    right, total = 0, 0
    for seed in range(12):
        room = make_room(seed, RoomConfig(scan=False, fusion_size=(0.04, 0.04)))
        for thing, index in zip(room.objects, object_points(room), strict=True):
            if thing.kind in one_color:
                seen = color_word(np.median(room.cloud.rgb[index], axis=0))
                total += 1
                right += seen in (thing.color, thing.second_color) or (thing.color, seen) in near
    assert total > 20
    assert right >= 0.88 * total
