"""How much memory this computer has, as far as Python alone can tell."""

import ctypes
import os
import re
import sys
from pathlib import Path


def total_bytes() -> int | None:
    """All the memory there is; None where the system does not say."""
    if sys.platform == "win32":
        return _windows()[0]
    return _pages("SC_PHYS_PAGES")


def available_bytes() -> int | None:
    """Memory that programs started now can have; None where the system does not say (macOS)."""
    if sys.platform == "win32":
        return _windows()[1]
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _pages(name: str) -> int | None:
    try:
        pages, size = os.sysconf(name), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return pages * size if pages > 0 and size > 0 else None


class _Status(ctypes.Structure):
    """Windows' MEMORYSTATUSEX."""

    _fields_ = [  # ctypes asks for a plain list
        ("length", ctypes.c_ulong),
        ("load", ctypes.c_ulong),
        *[(name, ctypes.c_ulonglong) for name in ("total", "free", "t1", "f1", "t2", "f2", "extended")],
    ]


def _windows() -> tuple[int | None, int | None]:
    """Total and free memory on Windows."""
    status = _Status(length=ctypes.sizeof(_Status))
    asked = ctypes.__dict__["windll"].kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return (status.total, status.free) if asked else (None, None)
