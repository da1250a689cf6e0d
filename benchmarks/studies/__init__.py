# SPDX-License-Identifier: Apache-2.0
"""Measurements for single decisions in docs/, run once; not part of `make bench`."""
