# SPDX-License-Identifier: Apache-2.0
"""Integer cells of a grid: keys, neighbours, groups, components."""
