# SPDX-License-Identifier: Apache-2.0
"""Training of demo checkpoints on generated rooms: samples, losses, and the script that ties them together."""
