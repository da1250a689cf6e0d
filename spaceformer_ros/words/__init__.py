"""Vocabularies, text models and their embeddings."""
