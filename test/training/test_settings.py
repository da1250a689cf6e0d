# SPDX-License-Identifier: Apache-2.0
import pytest

from spaceformer_ros import SpaceformerError
from spaceformer_ros.training.names import NameHeadConfig
from spaceformer_ros.training.points import PointHeadConfig
from spaceformer_ros.training.settings import read_settings
from spaceformer_ros.training.train import read_config


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("roms: 7", "unknown name 'roms'; known names: checkpoint, rooms, "),
        ("rooms: many", "rooms is 'many', expected an integer"),
        ("rooms: 0", "rooms is 0, expected a number of 1 or more"),
        ("steps: 1.5", "steps is '1.5', expected an integer"),
        ("models: 'no'", "models is 'no', expected true or false"),
        ("batch_size: true", "batch_size is 'True', expected an integer"),
        ("dropout: 3", "dropout is 3, expected a number of 0 or more, at most 1"),
        ("weight: .nan", "weight is nan, expected a number of 0 or more"),
        ("scale: .inf", "scale is inf, expected a number above 0"),
        ("warm_up_share: 0", "warm_up_share is 0, expected a number above 0"),
        ("precision: float8", "precision is 'float8', expected one of auto, bfloat16, float32"),
        ("- 7", "expected lines with a name"),
    ],
)
def test_wrong_values_are_named(tmp_path, line, words):
    path = tmp_path / "points.yaml"
    path.write_text(line + "\n")
    with pytest.raises(SpaceformerError) as caught:
        read_settings(PointHeadConfig, path)
    assert words in str(caught.value)
    assert "points.yaml: " in str(caught.value)


def test_values_are_checked_alike_in_all_runs(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("learning_rate: 0\n")
    for read in (lambda path: read_settings(NameHeadConfig, path), read_config):
        with pytest.raises(SpaceformerError, match="learning_rate is 0"):
            read(path)


def test_zero_is_read_where_it_has_a_meaning(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("seed: 0\nvalidate_every: 0\nhead_steps: 0\nmax_tilt: 0\nmodel: {num_queries: 50}\n")
    config, model_config = read_config(path)
    assert config.validate_every == 0
    assert config.max_tilt == 0
    assert model_config.num_queries == 50
