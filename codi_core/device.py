"""Where tensors live: device, dtype, threads and memory. The only file that names cuda and mps."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from codi_core.errors import MemoryLimitError, ModelError

Item = TypeVar("Item")
Result = TypeVar("Result")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SMALL_MODEL = 200_000_000
"""Parameters below which dtype "auto" is float32: speed is no concern and the numbers are the same on every machine."""
MALLOC = {-1: 256 << 20, -3: 8 << 20, -8: 1}
"""Of glibc's malloc.h: M_TRIM_THRESHOLD, what stays with the process; M_MMAP_THRESHOLD, what is larger comes and goes by itself, lest
small things in between hold it; M_ARENA_MAX."""
FEW = 100_000_000
"""Multiply-adds that one thread has done before two have waited for each other at every product and norm on the way."""


@dataclass(frozen=True)
class DeviceChoice:
    device: torch.device
    reason: str
    """Why this device, in words for the screen."""


def choose_device(wanted: str = "auto") -> DeviceChoice:
    """``auto`` takes cuda, then mps, then cpu. Raises ModelError when a named device is unknown or absent."""
    if wanted != "auto":
        return _named_device(wanted)
    if torch.cuda.is_available():
        return DeviceChoice(torch.device("cuda"), f"a CUDA GPU is present ({torch.cuda.get_device_name()})")
    if torch.backends.mps.is_available():
        return DeviceChoice(torch.device("mps"), "an Apple GPU is present")
    return DeviceChoice(torch.device("cpu"), "no CUDA or Apple GPU was found")


def _named_device(wanted: str) -> DeviceChoice:
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ModelError(f"Unknown device '{wanted}': use auto, cpu, cuda, cuda:N or mps.") from None
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if device.type not in present:
        raise ModelError(f"Device '{wanted}' is not supported: use auto, cpu, cuda, cuda:N or mps.")
    if not present[device.type]:
        raise ModelError(f"Device '{wanted}' was asked for but this machine (or this build of torch) has none: use auto or cpu.")
    return DeviceChoice(device, f"'{wanted}' was asked for")


def machine_name(device: torch.device) -> str:
    """What computes, in words."""
    cpu = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} CPU cores"
    return f"{torch.cuda.get_device_name(device)}; {cpu}" if device.type == "cuda" else cpu


def device_for(wanted: str, number: int) -> str:
    """The device of one of several processes that work side by side: the GPUs in turn where there are several, else as wanted."""
    count = torch.cuda.device_count()
    return f"cuda:{number % count}" if wanted in ("auto", "cuda") and count > 1 else wanted


def processes_for(wanted: str) -> int:
    """How many processes keep a device busy: one a GPU, or one."""
    return max(1, torch.cuda.device_count()) if wanted in ("auto", "cuda") else 1


def choose_dtype(wanted: str, parameters: int) -> torch.dtype:
    """``auto`` is float32 for small models and bfloat16, in which the public checkpoints were trained, for large ones."""
    if wanted == "auto":
        return torch.float32 if parameters < SMALL_MODEL else torch.bfloat16
    if wanted not in DTYPES:
        raise ModelError(f"Unknown dtype '{wanted}': use auto, {', '.join(DTYPES)}.")
    return DTYPES[wanted]


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def set_threads(threads: int) -> None:
    """Torch CPU threads for the whole process; 0 leaves torch's own choice."""
    if threads > 0:
        torch.set_num_threads(threads)


@contextmanager
def threads_for(work: int) -> Iterator[None]:
    """Torch CPU threads for so many multiply-adds: one when they are few. To be called around every pass: it costs next to nothing."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if work < FEW else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def hold_memory() -> None:
    """Freed memory stays with the process, in one pool for all its threads, until `free_cached_memory`.

    By itself glibc gives most of it back at once, and the system clears it page by page for the next tensors.
    Does nothing without glibc, or where the environment (``MALLOC_…``) says otherwise.
    """
    if (libc := _glibc()) and not any(name.startswith("MALLOC_") for name in os.environ):
        for option, value in MALLOC.items():
            libc.mallopt(option, value)


def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "malloc_trim") else None


def available_memory(device: torch.device) -> int:
    """Free bytes on a device; for the cpu the smaller of the machine's free memory and what is left of the container's limit."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    return min(_free_system_memory(), _free_container_memory())


def _free_system_memory() -> int:
    return int(psutil.virtual_memory().available)


def _free_container_memory(folder: Path = Path("/sys/fs/cgroup")) -> int:
    try:
        limit, used = (folder / "memory.max").read_text().strip(), (folder / "memory.current").read_text()
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(limit) - int(used) + int(stat.get("inactive_file", 0))  # the page cache gives way
    except (OSError, ValueError):  # no cgroup v2, or its limit is "max"
        return 1 << 62


def check_memory(bytes_needed: int, device: torch.device) -> None:
    """Raises MemoryLimitError, before anything is loaded, when the device cannot hold ``bytes_needed``."""
    free = available_memory(device)
    if bytes_needed > free:
        raise MemoryLimitError(
            f"The model needs {bytes_needed / 1e9:.1f} GB and {device} has {free / 1e9:.1f} GB free: "
            "choose dtype bfloat16, another device, or a smaller model."
        )


def is_out_of_memory(error: BaseException) -> bool:
    """True for the out-of-memory errors of cuda, mps and the cpu allocator."""
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


def free_cached_memory() -> None:
    """What is free goes back to the system."""
    if libc := _glibc():
        libc.malloc_trim(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def halve_on_oom(work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
    """``work(items)``, in halves when memory runs out. Raises MemoryLimitError when even one item does not fit."""
    try:
        return work(items)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(items) == 1:
            raise MemoryLimitError("A single question does not fit in memory: shorten it, or use another device or dtype.") from error
    free_cached_memory()  # outside the except block: the traceback holds the failed batch's tensors
    middle = len(items) // 2
    return halve_on_oom(work, items[:middle]) + halve_on_oom(work, items[middle:])
