"""The SpaCeFormer network: tensors in, tensors out. Knows nothing of clouds, labels, files or ROS."""
