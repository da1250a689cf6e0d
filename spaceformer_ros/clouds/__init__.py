# SPDX-License-Identifier: Apache-2.0
"""Coloured point clouds from messages and files."""
