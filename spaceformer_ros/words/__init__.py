# SPDX-License-Identifier: Apache-2.0
"""Vocabularies, text models and their embeddings."""
