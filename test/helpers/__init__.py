# SPDX-License-Identifier: Apache-2.0
"""What several tests share: stand-ins, made data and slow references."""
