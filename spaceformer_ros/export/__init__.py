# SPDX-License-Identifier: Apache-2.0
"""Scenes and their graphs as files of other programs: planners, simulators, viewers, evaluations."""
