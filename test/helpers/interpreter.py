# SPDX-License-Identifier: Apache-2.0
"""Triton's interpreter, on CPU tensors, with what a GPU does not forgive: it refuses memory outside of the tensors that
a kernel was given, and a kernel that is not started on the device of its first tensor.

Import it before Triton: the interpreter is chosen by the environment for the whole process.
"""

import contextlib
import os

os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import torch
from triton.runtime import interpreter

Builder = interpreter.InterpreterBuilder
first_program = [0]  # of the first axis: programs are counted from here
_extents, _devices = [], []


def install():
    """Put the checks in place, for the rest of the process, and let the interpreter multiply bfloat16 matrices."""
    load, store, start, multiply = (
        *(getattr(Builder, name) for name in ("create_masked_load", "create_masked_store")),
        interpreter.GridExecutor.__call__,
        Builder.create_dot,
    )

    def checked_load(self, pointers, mask, *rest):
        check_memory(pointers, mask)
        return load(self, pointers, mask, *rest)

    def checked_store(self, pointers, values, mask, *rest):
        check_memory(pointers, mask)
        return store(self, pointers, values, mask, *rest)

    def started(self, *arguments, **options):
        assert _devices == [id(arguments[0])], "the kernel starts on the current device, not on that of its tensors"
        _extents[:] = map(extent, filter(torch.is_tensor, arguments))
        return start(self, *arguments, **options)

    def dot(self, a, b, *rest):  # the interpreter would take the bits of bfloat16 for integers
        return multiply(self, *(float32(self, value) for value in (a, b)), *rest)

    def program_id(self, axis):
        number = self.grid_idx[axis] + (first_program[0] if axis == 0 else 0)
        return interpreter.TensorHandle(np.array([number], dtype=np.int32), interpreter.tl.int32)

    Builder.create_masked_load, Builder.create_masked_store = checked_load, checked_store
    Builder.create_dot, Builder.create_get_program_id = dot, program_id
    interpreter.GridExecutor.__call__ = started
    torch.cuda.device_of = device_of


@contextlib.contextmanager
def device_of(tensor):
    _devices.append(id(tensor))
    yield
    _devices.pop()


def extent(tensor):
    """First and last address of a tensor, the last one exclusive."""
    values = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride())) + 1
    return tensor.data_ptr(), tensor.data_ptr() + values * tensor.element_size()


def check_memory(pointers, mask):
    """Raise AssertionError unless all of the addresses that are read or written lie in the tensors of the kernel."""
    used = pointers.data[np.broadcast_to(mask.data, pointers.data.shape)].astype(np.int64)
    width = np.dtype(interpreter._get_np_dtype(pointers.get_element_ty())).itemsize
    inside = np.zeros(used.shape, dtype=bool)
    for start, stop in _extents:
        inside |= (used >= start) & (used + width <= stop)
    assert inside.all(), f"{(~inside).sum()} addresses are outside of the tensors"


def float32(builder, value):
    bfloat16 = value.dtype.scalar == interpreter.tl.bfloat16
    return builder.cast_impl(value, interpreter.tl.float32) if bfloat16 else value
