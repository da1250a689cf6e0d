# SPDX-License-Identifier: Apache-2.0
"""Cameras: their geometry, depth images to points, views of the map, free space, and names from detectors in images."""
