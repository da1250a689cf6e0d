# SPDX-License-Identifier: Apache-2.0
from collections import namedtuple

import pytest
import torch

from spaceformer_ros import SpaceformerError
from spaceformer_ros.training.tables import read_tables, write_tables

Table = namedtuple("Table", "kind weight")


def make(seed):
    return Table(torch.full((2,), seed), torch.rand(2, 3))


def test_tables_of_the_rooms_asked_for_are_joined_and_only_missing_ones_are_written(tmp_path):
    write_tables(tmp_path / "rooms", range(2), make, {})
    made = []
    write_tables(tmp_path / "rooms", range(3), lambda seed: made.append(seed) or make(seed), {})
    assert made == [2]
    joined = read_tables(tmp_path / "rooms", range(3), Table)
    assert joined.kind.tolist() == [0, 0, 1, 1, 2, 2]
    assert joined.weight.shape == (6, 3)
    assert read_tables(tmp_path / "rooms", range(1, 2), Table).kind.tolist() == [1, 1]  # not those of an earlier run


def test_tables_of_another_configuration_are_not_kept(tmp_path):
    write_tables(tmp_path, range(1), make, {"models": True, "share": 0.5})
    write_tables(tmp_path, range(2), make, {"models": True, "share": 0.5})
    with pytest.raises(SpaceformerError, match=r"collected with share 0.5, now it is 0.25: give another folder, or de"):
        write_tables(tmp_path, range(3), make, {"models": True, "share": 0.25})
    assert not (tmp_path / "2.safetensors").exists()
    (tmp_path / "made_with.json").write_text("[1")
    with pytest.raises(SpaceformerError, match=r"made_with.json is damaged"):
        write_tables(tmp_path, range(3), make, {"models": True, "share": 0.5})


def test_a_damaged_table_is_named(tmp_path):
    write_tables(tmp_path, range(2), make, {})
    path = tmp_path / "1.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SpaceformerError, match=r"1.safetensors is damaged.*delete it"):
        read_tables(tmp_path, range(2), Table)
