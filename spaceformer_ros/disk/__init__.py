# SPDX-License-Identifier: Apache-2.0
"""Files: default folders, bounded reading, atomic replacement, hashes."""
