"""Memory of the network: how much a voxel takes, measured; how much there is; and what running out of it looks like."""

import contextlib
import gc
import pathlib
import resource

import torch

from .. import SpaceformerError

AUTOMATIC_SHARE = 0.5  # of the free memory is used where the setting leaves it open
FIRST_RUN_BYTES = 16384  # per voxel, compiled products and freed memory on a CPU: maps of 10,000 voxels take less
LEAST_SHARE = 6  # no measurement is believed that lies more than this factor below the estimate
LEAST_MEASURED = 5000  # voxels; on smaller grids fixed costs would be taken for costs per voxel
MESSAGES = (
    "out of memory",
    "not enough memory",
    "DefaultCPUAllocator",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
)


class OutOfMemory(SpaceformerError):
    """The device or the host has too little memory for what was asked."""


class MemoryMeter:
    """Bytes per voxel of one network on one device: an estimate first, then the most that was measured."""

    def __init__(self, network, device, dtype, looks=1):
        """network: SpaCeFormerConfig; dtype: torch.dtype of its arithmetic; looks: see `mirror.look`."""
        self.device = device
        self.bytes_per_voxel = estimated_bytes(network, dtype.itemsize, looks, on_cpu=device.type == "cpu")
        self._least = self.bytes_per_voxel / LEAST_SHARE  # memory that was freed before and is used again is not seen
        self._measured = False

    @contextlib.contextmanager
    def measure(self, voxels):
        """Watch a block that runs the network on a grid of so many voxels."""
        before = reset_peak(self.device)
        yield
        rate = (peak_bytes(self.device) - before) / voxels
        if voxels >= LEAST_MEASURED:
            self.bytes_per_voxel = max(rate, self.bytes_per_voxel if self._measured else self._least)
            self._measured = True

    def failed(self, voxels, max_memory_gb):
        """Learn from a run out of memory: so many voxels do not fit into what is free now, half of them should."""
        self.bytes_per_voxel = max(self.bytes_per_voxel, 2 * self.budget(max_memory_gb) / voxels)
        self._measured = True

    def budget(self, max_memory_gb):
        """Bytes that a run may take now. max_memory_gb: for everything that this process holds; 0: a share of what is
        free."""
        if max_memory_gb:
            return max(max_memory_gb * 1e9 - used_bytes(self.device), 0.0)
        return AUTOMATIC_SHARE * free_bytes(self.device)

    def voxels(self, max_memory_gb):
        """Voxels of the largest grid that fits now."""
        return int(self.budget(max_memory_gb) / self.bytes_per_voxel)


def estimated_bytes(network, itemsize, looks=1, on_cpu=False):
    """A bound from above for bytes per voxel before anything was measured. network: SpaCeFormerConfig.

    On a CPU most of the work is done in pieces, and little beyond the features grows with the map.
    """
    widest = max(network.encoder[0].channels, network.decoder[-1].channels)
    if on_cpu:
        features = (4 * max(widest, network.decoder_channels) + looks * network.num_queries) * itemsize
        return 2 * features + FIRST_RUN_BYTES
    tensors = 18 * widest + 9 * network.decoder_channels + 12 * looks * network.num_queries
    pairs = 16 * network.stem_kernel_size**3 / 2  # two int64 rows for each neighbour; half of the places are empty
    return tensors * max(itemsize, 4) + pairs


def used_bytes(device):
    """Memory that this process holds: its tensors on a CUDA device, its resident set on the host."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return resource.getpagesize() * int(_read("/proc/self/statm", "0 0").split()[1])


def free_bytes(device):
    """Memory that can still be had."""
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
    """Begin to watch for the highest use of memory. Returns the bytes in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):  # without it the peak is that of the whole run so far: too high, so safe
            pathlib.Path("/proc/self/clear_refs").write_text("5")
    return used_bytes(device)


def peak_bytes(device):
    """Highest use of memory since `reset_peak`."""
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
    """Whether an exception says that memory ran out, on the host or a device."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in MESSAGES)


@contextlib.contextmanager
def explained(advice):
    """Turn what running out of memory raises into OutOfMemory with this sentence."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(f"{advice} ({str(error).splitlines()[0] if str(error) else type(error).__name__})") from None


def release_memory(device):
    """Give back what caches hold."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
