# SPDX-License-Identifier: Apache-2.0
"""Programs that measure, run as `python -m benchmarks.NAME`, and what they share."""
