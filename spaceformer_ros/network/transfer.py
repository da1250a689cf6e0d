"""Copies between NumPy arrays and a device; on CUDA through pinned memory, so that none of them waits by itself."""

import torch


def to_device(array, device):
    """Tensor of an array on a torch.device. To CUDA it is copied while the host goes on."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def to_host(*tensors):
    """List of the arrays of tensors that lie on one device. From CUDA all are copied, then the host waits once."""
    copies = [tensor.to("cpu", non_blocking=True) for tensor in tensors]  # the new ones are pinned
    if tensors[0].device.type == "cuda":
        torch.cuda.current_stream(tensors[0].device).synchronize()
    return [copy.numpy() for copy in copies]
