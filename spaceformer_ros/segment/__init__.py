# SPDX-License-Identifier: Apache-2.0
"""Segmentation of a cloud into instances: voxels, network, masks."""
