# SPDX-License-Identifier: Apache-2.0
"""Rooms and relations of a scene graph, as `Source.graph` gives it."""

from .. import CodedError
from ..geometry.storeys import level, room_at, storey_around


class Places:
    """Which room an object or a place is in, and what is said about an object. Rooms have numbers, 0 is none."""

    def __init__(self, graph):
        """graph: dict with nodes and edges."""
        self._nodes = {node["id"]: node for node in graph["nodes"]}
        self._edges = graph["edges"]

    @property
    def rooms(self):
        """List of the nodes of rooms."""
        return [node for node in self._nodes.values() if node["kind"] == "room"]

    def room_of(self, object_id):
        """Number of the room of an object; 0 where it is not known."""
        node = self._nodes.get(f"object_{object_id}")
        while node is not None and node["kind"] != "room":
            node = self._nodes.get(node["parent"])
        return node["number"] if node else 0

    def rooms_called(self, name):
        """Set of the numbers of the rooms with a name or number. Raises CodedError NOT_FOUND if there is none."""
        asked = name.strip().lower().removeprefix("room").strip()
        numbers = {room["number"]: room["label"].lower() for room in self.rooms}
        found = {
            number
            for number, label in numbers.items()
            if asked in (str(number), label, f"{label} {number}", f"{label} (room {number})")
        }
        if not found:
            known = ", ".join(f"{room['label']} {room['number']}" for room in self.rooms) or "none"
            raise CodedError("NOT_FOUND", f"there is no room called {name!r} (rooms: {known})")
        return found

    def room_at(self, position):
        """Number of the room of a place [3] in the map's frame, as `~/locate` says; 0 outside all rooms."""
        import shapely

        storeys = [node for node in self._nodes.values() if node["kind"] == "storey"]
        storey = storey_around([level(node["center"][2], node["size"][2]) for node in storeys], position[2])
        if storeys and storey is None:
            return 0
        rooms = [room for room in self.rooms if not storeys or room["parent"] == storeys[storey]["id"]]
        room = room_at([shapely.Polygon(room["outline"]) for room in rooms], position)
        return 0 if room is None else rooms[room]["number"]

    def relations_of(self, object_id):
        """List of sentences such as "on desk 4"."""
        mine = [edge for edge in self._edges if edge["source"] == f"object_{object_id}"]
        return [f"{edge['kind']} {self._name(edge['target'])}" for edge in mine]

    def _name(self, key):
        node = self._nodes[key]
        return f"{node['label']} {node['number']}" if node["kind"] == "object" else key.replace("_", " ")
