# SPDX-License-Identifier: Apache-2.0
"""Memory of the C library's heap."""

import contextlib
import ctypes


def trim_heap():
    """Return free memory to the system (glibc). Otherwise the heap fragments over days of large and small tensors, and
    resident memory grows far beyond what is in use."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
