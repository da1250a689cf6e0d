# SPDX-License-Identifier: Apache-2.0
"""The structure of a building: storeys, rooms, walls, doors, windows."""
