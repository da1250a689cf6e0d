# SPDX-License-Identifier: Apache-2.0
"""From a cloud to instances: voxels, network, masks."""
