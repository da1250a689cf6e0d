# SPDX-License-Identifier: Apache-2.0
"""The SpaCeFormer network on tensors, independent of clouds, labels, files and ROS."""
