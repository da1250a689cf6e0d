# SPDX-License-Identifier: Apache-2.0
from collections import namedtuple

import pytest
import torch

from spaceformer_ros import SpaceformerError
from spaceformer_ros.training.tables import read_tables, write_tables

Table = namedtuple("Table", "kind weight")


def make(seed):
    return Table(torch.full((2,), seed), torch.rand(2, 3))


def test_tables_of_all_rooms_are_joined_and_only_missing_ones_are_written(tmp_path):
    write_tables(tmp_path / "rooms", range(2), make)
    made = []
    write_tables(tmp_path / "rooms", range(3), lambda seed: made.append(seed) or make(seed))
    assert made == [2]
    joined = read_tables(tmp_path / "rooms", Table)
    assert joined.kind.tolist() == [0, 0, 1, 1, 2, 2]
    assert joined.weight.shape == (6, 3)


def test_a_folder_without_tables_and_a_damaged_table_are_named(tmp_path):
    with pytest.raises(SpaceformerError, match="no collected rooms"):
        read_tables(tmp_path, Table)
    write_tables(tmp_path, range(2), make)
    path = tmp_path / "1.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SpaceformerError, match=r"1.safetensors is damaged.*delete it"):
        read_tables(tmp_path, Table)
