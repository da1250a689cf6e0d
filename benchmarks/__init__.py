# SPDX-License-Identifier: Apache-2.0
"""Benchmarks, run as `python -m benchmarks.NAME`, and modules that they share."""
