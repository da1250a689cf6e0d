# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: loading, saving, and download of the released weights."""
