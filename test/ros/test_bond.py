# SPDX-License-Identifier: Apache-2.0
"""The bond with nav2_lifecycle_manager, with a stand-in of bondpy."""

import sys
from types import SimpleNamespace

from spaceformer_ros.ros.bond import ManagerBond


class Bond:
    """Stands for bondpy's: (topic, id, node), started, ended."""

    made = []  # noqa: RUF012

    def __init__(self, topic, name, node):
        self.facts, self.state = (topic, name, node), "made"
        self.made.append(self)

    def start(self):
        self.state = "started"

    def shutdown(self):
        self.state = "ended"


def test_a_managed_node_has_a_bond_while_it_is_active(start, monkeypatch):
    monkeypatch.setattr(Bond, "made", [])
    monkeypatch.setitem(sys.modules, "bondpy", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "bondpy.bondpy", SimpleNamespace(Bond=Bond))
    node = start(autostart=False)
    (bond,) = Bond.made
    assert (bond.facts, bond.state) == (("bond", "spaceformer", node), "started")
    node.trigger_deactivate()
    assert bond.state == "ended"
    node.trigger_activate()
    assert [bond.state for bond in Bond.made] == ["ended", "started"]
    node.close()
    assert Bond.made[1].state == "ended"


def test_without_bondpy_or_a_manager_there_is_no_bond(monkeypatch):
    monkeypatch.setattr(Bond, "made", [])
    said, values = [], {"autostart": False}
    logger = SimpleNamespace(info=lambda text, once: said.append(text))
    node = SimpleNamespace(
        get_parameter=lambda name: SimpleNamespace(value=values[name]),
        get_logger=lambda: logger,
        get_name=lambda: "spaceformer",
    )
    bond = ManagerBond(node)
    monkeypatch.setitem(sys.modules, "bondpy.bondpy", None)
    bond.form()
    assert "bond_timeout 0.0" in said[0]
    bond.end()
    monkeypatch.setitem(sys.modules, "bondpy", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "bondpy.bondpy", SimpleNamespace(Bond=Bond))
    values["autostart"] = True
    bond.form()
    assert Bond.made == []
