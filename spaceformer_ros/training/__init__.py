# SPDX-License-Identifier: Apache-2.0
"""Training of checkpoints on generated rooms: samples, losses, the training loop, validation."""
