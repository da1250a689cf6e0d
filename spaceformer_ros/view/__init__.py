# SPDX-License-Identifier: Apache-2.0
"""A page in the browser that shows a map, answers questions and edits the vocabulary. Needs viser (`[view]`)."""
