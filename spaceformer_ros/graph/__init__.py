# SPDX-License-Identifier: Apache-2.0
"""The scene graph: relations between objects, the rooms that they are in, answers and exports with both."""
