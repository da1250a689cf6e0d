# SPDX-License-Identifier: Apache-2.0
"""Tiled processing of maps that are too large for one run of the network: plan, cache, merging of masks."""
