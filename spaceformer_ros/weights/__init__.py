# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what is loaded, and where it comes from."""
