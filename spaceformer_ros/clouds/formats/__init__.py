# SPDX-License-Identifier: Apache-2.0
"""Readers and writers of cloud files, one module per format, between files and structured records [N]."""
