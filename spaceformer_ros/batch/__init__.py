# SPDX-License-Identifier: Apache-2.0
"""Segmentation of many files: workers, resuming, results."""
