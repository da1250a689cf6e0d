# SPDX-License-Identifier: Apache-2.0
"""Boxes, rigid transforms, unit vectors and angles. Metres and radians."""
