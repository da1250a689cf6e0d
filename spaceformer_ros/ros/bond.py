# SPDX-License-Identifier: Apache-2.0
"""The bond by which nav2_lifecycle_manager notices that a node has died. bondpy is optional."""

TOPIC = "bond"  # as the nodes of Nav2; the id is the name of the node


class ManagerBond:
    """The bond of one node with a lifecycle manager, which exists while the node is active."""

    def __init__(self, node):
        """node: LifecycleNode."""
        self._node, self._bond = node, None

    def form(self):
        """Start to form the bond, where bondpy is installed and the node does not start by itself."""
        if self._node.get_parameter("autostart").value:
            return
        try:
            from bondpy.bondpy import Bond
        except ImportError:
            text = "bondpy is not installed: a lifecycle manager of Nav2 needs bond_timeout 0.0 for this node"
            self._node.get_logger().info(text, once=True)
            return
        self._bond = Bond(TOPIC, self._node.get_name(), self._node)
        self._bond.start()

    def end(self):
        """Tell the manager that the node is no longer active."""
        if self._bond is not None:
            self._bond.shutdown()
            self._bond = None
