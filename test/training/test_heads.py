# SPDX-License-Identifier: Apache-2.0
import pytest

from spaceformer_ros.synthetic import RoomConfig
from spaceformer_ros.training import names, points
from spaceformer_ros.training.heads import seen_config


def test_a_share_of_the_rooms_is_seen_in_a_few_frames():
    tour, few = RoomConfig(), RoomConfig().in_few_frames()
    assert all(seen_config(tour, seed, 0.0) == tour for seed in range(20))
    assert all(seen_config(tour, seed, 1.0) == few for seed in range(20))
    drawn = [seen_config(tour, seed, 0.4) for seed in range(500)]
    assert 0.3 < sum(config == few for config in drawn) / 500 < 0.5
    assert drawn == [seen_config(tour, seed, 0.4) for seed in range(500)]


class Seen(Exception):
    """Raised in place of scanning, with the RoomConfig."""


@pytest.mark.parametrize(
    ("module", "collect"),
    [
        (names, lambda config, folder: names.collect(None, config, folder)),
        (points, points.collect),
    ],
)
def test_both_heads_can_be_trained_on_a_few_frames(module, collect, tmp_path, monkeypatch):
    def seen(_seed, config):
        raise Seen(config)

    monkeypatch.setattr(module, "make_room", seen)
    settings = names.NameHeadConfig if module is names else points.PointHeadConfig
    with pytest.raises(Seen) as raised:
        collect(settings(models=False, rooms=1, few_frames_share=1.0), tmp_path)
    assert raised.value.args[0] == RoomConfig().in_few_frames()
