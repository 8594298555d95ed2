"""Device, dtype and memory choices, and halving when memory runs out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from codi_core import device
from codi_core.errors import MemoryLimitError, ModelError
from codi_core.settings import ROOT

CPU = torch.device("cpu")


def test_auto_device_says_why() -> None:
    choice = device.choose_device()
    if torch.cuda.is_available():
        assert (choice.device.type, "CUDA" in choice.reason) == ("cuda", True)
    else:
        assert choice.device.type in ("cpu", "mps")
        assert choice.reason


def test_named_device_is_taken() -> None:
    choice = device.choose_device("cpu")
    assert choice.device == CPU
    assert "asked for" in choice.reason


@pytest.mark.parametrize("wanted", ["cuda:99", "gpu", "meta", ""])
def test_absent_and_unknown_devices_are_refused_by_name(wanted: str) -> None:
    with pytest.raises(ModelError, match=f"'{wanted}'.*use"):
        device.choose_device(wanted)


def test_auto_dtype_is_exact_for_small_models_only() -> None:
    assert device.choose_dtype("auto", 1_000_000) is torch.float32
    assert device.choose_dtype("auto", 1_200_000_000) is torch.bfloat16
    assert device.choose_dtype("float32", 1_200_000_000) is torch.float32
    with pytest.raises(ModelError, match=r"int8.*float32"):
        device.choose_dtype("int8", 1)
    assert device.dtype_name(torch.bfloat16) == "bfloat16"


def test_memory_is_checked_in_gigabytes_people_can_read() -> None:
    device.check_memory(1_000, CPU)
    with pytest.raises(MemoryLimitError, match=r"needs 1000000\.0 GB and cpu has .* GB free"):
        device.check_memory(10**15, CPU)


def test_container_limit_counts_page_cache_as_free(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 600\ninactive_file 250\n")
    assert device._free_container_memory(tmp_path) == 350
    (tmp_path / "memory.max").write_text("max\n")
    assert device._free_container_memory(tmp_path) > 10**15
    assert device._free_container_memory(tmp_path / "absent") > 10**15


def test_halving_keeps_order_and_runs_everything() -> None:
    sizes: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return [10 * item for item in items]

    assert device.halve_on_oom(work, range(7)) == [0, 10, 20, 30, 40, 50, 60]
    assert sizes == [7, 3, 1, 2, 4, 2, 2]


def test_one_item_that_does_not_fit_is_an_error_of_ours() -> None:
    def work(items: Sequence[int]) -> list[int]:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes")

    with pytest.raises(MemoryLimitError, match="single question"):
        device.halve_on_oom(work, [1, 2])


def test_other_errors_are_not_retried() -> None:
    calls: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        calls.append(len(items))
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        device.halve_on_oom(work, [1, 2])
    assert calls == [2]


def test_little_work_has_one_thread_whatever_comes_of_it() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with device.threads_for(device.FEW):
            assert torch.get_num_threads() == 3
        with pytest.raises(ZeroDivisionError), device.threads_for(device.FEW - 1):
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


HELD = """
import psutil, torch
from codi_core import device

def megabytes():
    return psutil.Process().memory_info().rss >> 20

device.hold_memory()
before = megabytes()
tensors = [torch.ones(1 << 18) for _ in range(100)]  # of a megabyte each
del tensors
held = megabytes() - before
device.free_cached_memory()
print(held, megabytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own")
def test_freed_memory_is_held_until_it_is_given_back() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    run = subprocess.run([sys.executable, "-c", HELD], env=environment, cwd=ROOT, check=True, capture_output=True, text=True)
    held, after = map(int, run.stdout.split())
    assert held > 80
    assert after < 20
