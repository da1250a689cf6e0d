# SPDX-License-Identifier: Apache-2.0
"""Many files: workers, resuming, results."""
