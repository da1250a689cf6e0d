# SPDX-License-Identifier: Apache-2.0
"""Maps that are too large for one run of the network: tiles, their cache and the merging of their masks."""
