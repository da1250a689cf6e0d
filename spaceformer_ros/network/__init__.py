# SPDX-License-Identifier: Apache-2.0
"""The SpaCeFormer network: tensors in, tensors out. Knows nothing of clouds, labels, files or ROS."""
