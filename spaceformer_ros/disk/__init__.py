# SPDX-License-Identifier: Apache-2.0
"""Files: where they are, reading them with a bound, replacing them atomically, hashing them."""
