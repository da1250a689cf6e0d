# SPDX-License-Identifier: Apache-2.0
"""The floor plan that a visitor of the page sees."""

import numpy as np

from spaceformer_ros.geometry.transform import RigidTransform
from spaceformer_ros.view.plan import Plan, has_plan

KITCHEN = {"kind": "room", "number": 3, "label": "kitchen", "area": 11.6, "center": [2.0, 1.5, 1.0], "size": [4, 3, 2]}
KITCHEN["outline"] = [[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 3.0]]
DOOR = {"kind": "door", "number": 1, "center": [4.0, 1.0, 1.0], "size": [0.8, 0.1, 2.0], "yaw": np.pi / 2}
CHAIR = {"kind": "object", "number": 9, "label": "chair"}


class Handle:
    """What viser returns: `lines` or `text`, and whether it was removed."""

    def __init__(self, **facts):
        self.__dict__.update(facts, removed=False)

    def remove(self):
        self.removed = True


class Scene:
    """Stands for viser's scene: keeps what is added."""

    def __init__(self):
        self.nodes = {}

    def add_line_segments(self, name, lines, color, **options):
        self.nodes[name] = Handle(lines=lines)
        return self.nodes[name]

    def add_label(self, name, text, position):
        self.nodes[name] = Handle(text=text, position=position)
        return self.nodes[name]


def test_rooms_and_doors_are_drawn_on_the_floor():
    scene, origin = Scene(), np.array([1.0, 0.0, 0.0])
    plan, placement = Plan(scene), RigidTransform.about_z(0.0, (100.0, 0.0, 0.0))
    plan.draw({"nodes": [KITCHEN, DOOR, CHAIR]}, placement, origin)
    assert set(scene.nodes) == {"/plan/room", "/plan/door", "/rooms/3"}
    assert scene.nodes["/rooms/3"].text == "kitchen, 12 m²"
    assert np.allclose(scene.nodes["/rooms/3"].position, (-99.0, 1.5, 0.05))
    assert scene.nodes["/plan/room"].lines.shape == (4, 2, 3)
    assert np.allclose(scene.nodes["/plan/door"].lines, [[(-97.0, 0.6, 0.05), (-97.0, 1.4, 0.05)]])
    drawn = list(scene.nodes.values())
    plan.draw({"nodes": [{**KITCHEN, "label": "room"}]}, placement, origin)
    assert scene.nodes["/rooms/3"].text == "room 3, 12 m²"
    assert all(handle.removed for handle in drawn)
    assert not has_plan({"nodes": [CHAIR]})
    assert has_plan({"nodes": [CHAIR, DOOR]})
