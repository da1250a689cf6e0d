# SPDX-License-Identifier: Apache-2.0
"""Folders of posed colour and depth pictures: TUM RGB-D, 7-Scenes, ScanNet, and a plain layout."""
