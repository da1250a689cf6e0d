# SPDX-License-Identifier: Apache-2.0
"""Measurements behind single decisions in docs/, run once; not part of `make bench`."""
