# SPDX-License-Identifier: Apache-2.0
"""Visualisation: labelled clouds, markers, relevancy colours, pictures."""
