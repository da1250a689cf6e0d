"""From a cloud to instances: voxels, network, masks."""
