"""Boxes, rigid transforms, unit vectors and angles. Metres and radians."""
