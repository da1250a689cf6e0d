# SPDX-License-Identifier: Apache-2.0
"""Helpers shared by tests: stand-ins, generated data and slow references."""
