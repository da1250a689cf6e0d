# SPDX-License-Identifier: Apache-2.0
"""Readers and writers of cloud files, one module per format: a path to structured records [N], and back."""
