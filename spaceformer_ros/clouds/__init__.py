# SPDX-License-Identifier: Apache-2.0
"""From bytes and files to coloured clouds."""
