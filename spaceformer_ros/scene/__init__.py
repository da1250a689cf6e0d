# SPDX-License-Identifier: Apache-2.0
"""The labelled objects of a map: tracking, queries, scene files."""
