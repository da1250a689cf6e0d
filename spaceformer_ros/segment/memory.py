# SPDX-License-Identifier: Apache-2.0
"""Memory of the network: bytes per voxel, measured; bytes available; detection of out-of-memory errors."""

import contextlib
import gc
import pathlib
import resource

import torch

from .. import SpaceformerError

FREE_SHARE = 0.5  # share of free memory used if max_memory_gb is 0
FIRST_RUN_BYTES = 16384  # per voxel on a CPU, for one-time allocations; measured on maps of 10,000 voxels
# On a GPU the peak of tensors is 1.1 to 1.7 times the features, by count (benchmarks/launches.py), in plain PyTorch up
# to 3.1 times; the rest is for what the allocator cannot use.
GPU_MARGIN = 4
MAX_OVERESTIMATE = 6  # a measurement lower than the estimate by a larger factor is raised to it
MIN_MEASURED = 5000  # voxels; on smaller grids fixed costs dominate
MESSAGES = (
    "out of memory",
    "not enough memory",
    "DefaultCPUAllocator",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
)


class OutOfMemory(SpaceformerError):
    """The device or the host has too little memory."""


class MemoryMeter:
    """Bytes per voxel of one network on one device: an estimate first, then the highest measurement."""

    def __init__(self, network, device, dtype):
        """network: SpaCeFormerConfig; dtype: torch.dtype of its arithmetic."""
        self.device = device
        self.bytes_per_voxel = estimated_bytes(network, dtype.itemsize, on_cpu=device.type == "cpu")
        self._min = self.bytes_per_voxel / MAX_OVERESTIMATE  # reuse of freed memory is not measured
        self._measured = False

    @contextlib.contextmanager
    def measure(self, voxels):
        """Measure a block that runs the network on a grid of this many voxels."""
        before = reset_peak(self.device)
        yield
        rate = (peak_bytes(self.device) - before) / voxels
        if voxels >= MIN_MEASURED:
            self.bytes_per_voxel = max(rate, self.bytes_per_voxel if self._measured else self._min)
            self._measured = True

    def failed(self, voxels, max_memory_gb):
        """Record that this many voxels did not fit into the memory that is free now; half of them should."""
        self.bytes_per_voxel = max(self.bytes_per_voxel, 2 * self.budget(max_memory_gb) / voxels)
        self._measured = True

    def budget(self, max_memory_gb):
        """Bytes that a run may use now. max_memory_gb: limit of the whole process; 0: FREE_SHARE of the free memory."""
        if max_memory_gb:
            return max(max_memory_gb * 1e9 - used_bytes(self.device), 0.0)
        return FREE_SHARE * free_bytes(self.device)

    def voxels(self, max_memory_gb):
        """Voxels of the largest grid that fits now."""
        return int(self.budget(max_memory_gb) / self.bytes_per_voxel)


def estimated_bytes(network, itemsize, on_cpu=False):
    """Upper bound of the bytes per voxel, before the first measurement.

    Most of the work is done in pieces, so that little besides the features grows with the map: at the peak those at
    the finest level, and keys and values of the query decoder. network: SpaCeFormerConfig; itemsize: bytes of a value.
    """
    widest = max(network.encoder[0].channels, network.decoder[-1].channels, network.decoder_channels)
    features = (4 * widest + network.num_queries) * itemsize
    return 2 * features + FIRST_RUN_BYTES if on_cpu else GPU_MARGIN * features


def used_bytes(device):
    """Bytes in use by this process: its tensors on a CUDA device, its resident set on the host."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return resource.getpagesize() * int(_read("/proc/self/statm", "0 0").split()[1])


def free_bytes(device):
    """Bytes that are still available."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    rows = dict(line.split(":") for line in _read("/proc/meminfo", "MemAvailable: 4000000 kB").splitlines())
    free = 1024 * int(rows["MemAvailable"].split()[0])
    limit = _read("/sys/fs/cgroup/memory.max", "max").strip()  # of a container
    if limit.isdigit():
        free = min(free, int(limit) - int(_read("/sys/fs/cgroup/memory.current", "0")))
    return max(free, 0)


def reset_peak(device):
    """Reset the peak of memory use. Returns the bytes in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):  # otherwise the peak is that of the whole process: an upper bound
            pathlib.Path("/proc/self/clear_refs").write_text("5")
    return used_bytes(device)


def peak_bytes(device):
    """Peak of memory use since `reset_peak`, in bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    for line in _read("/proc/self/status", "").splitlines():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _read(path, default):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return default


def is_out_of_memory(error):
    """Whether an exception means that the host or a device is out of memory."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in MESSAGES)


@contextlib.contextmanager
def explained(advice):
    """Raise OutOfMemory with this advice instead of the errors of torch and Python."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"{advice} ({str(error).splitlines()[0] if str(error) else type(error).__name__})") from None


def release_memory(device):
    """Release cached memory."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
