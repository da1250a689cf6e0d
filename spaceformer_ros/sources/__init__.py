# SPDX-License-Identifier: Apache-2.0
"""Maps that a page or an agent can ask, through one interface: files, and in `ros/` the running node."""
