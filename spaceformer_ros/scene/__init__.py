"""The labelled objects of a map: identity, queries, files."""
