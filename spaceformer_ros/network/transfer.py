# SPDX-License-Identifier: Apache-2.0
"""Copies between NumPy arrays and a device; on CUDA asynchronous, with one synchronisation per batch."""

import torch


def to_device(array, device):
    """Tensor of an array on a torch.device; to CUDA an asynchronous copy from pinned memory."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def to_host(*tensors):
    """Arrays of tensors on one device, as a list; from CUDA with one synchronisation for all copies."""
    copies = [tensor.to("cpu", non_blocking=True) for tensor in tensors]  # pinned memory
    if tensors[0].device.type == "cuda":
        torch.cuda.current_stream(tensors[0].device).synchronize()
    return [copy.numpy() for copy in copies]
