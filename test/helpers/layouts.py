# SPDX-License-Identifier: Apache-2.0
"""A layout of two rooms with a door for the ROOM of fakes: the sofa is in the second one."""

from spaceformer_ros.layout.structure import Door, Layout, Room, Storey, Wall, Window

LEFT = Room(1, ((-2.0, -2.0), (1.5, -2.0), (1.5, 4.0), (-2.0, 4.0)), 21.0, 1, (1, 2))
RIGHT = Room(2, ((1.5, -2.0), (5.0, -2.0), (5.0, 4.0), (1.5, 4.0)), 21.0, 1, (1, 2))
TWO_ROOMS = Layout(
    storeys=(Storey(1, 0.0, 2.5),),
    walls=(Wall(1, (1.5, -2.0), (1.5, 4.0), 0.0, 2.5, 0.1, 1), Wall(2, (-2.0, -2.0), (5.0, -2.0), 0.0, 2.5, 0.0, 1)),
    doors=(Door(1, 1, (1.5, 2.0, 1.0), 0.9, 2.0, "open", (1, 2)),),
    windows=(Window(1, 2, (0.0, -2.0, 1.5), 1.2, 1.0, 1.0),),
    rooms=(LEFT, RIGHT),
)
