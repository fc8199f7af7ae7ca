"""What becomes of freed memory, seen from outside: the pages that the process holds."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's settings")

# Blocks that are touched and freed: twenty of 8 MB, so that none is larger than what glibc maps by itself.
_WORK = """
import sys, numpy as np
from maedfer import allocator

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

for name in sys.argv[1:]:
    assert getattr(allocator, name)()
before = resident()
blocks = [np.ones(2**20) for _ in range(20)]
assert resident() - before > 120
del blocks
print(resident() - before)
"""

_CHANGE = """
import numpy as np
from maedfer.allocator import give_back_freed_memory, keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

keep_freed_memory()
before = resident()
for number in (2**20, 2**16):  # large blocks, then those that stay on the heap whatever the setting
    blocks = [np.ones(number) for _ in range(20 * 2**20 // number)]
    del blocks
    give_back_freed_memory()
    print(resident() - before)
"""


def staying(*names: str) -> float:
    """MB that stay with a process with these settings, one after the other, when 160 MB have come and gone."""
    done = subprocess.run([sys.executable, "-c", _WORK, *names], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def test_freed_memory_is_kept_or_given_back() -> None:
    assert staying("keep_freed_memory") > 100
    assert staying("give_back_freed_memory") < 20
    assert staying("keep_freed_memory", "give_back_freed_memory") < 20


def test_giving_back_returns_what_was_kept_and_what_is_freed_later() -> None:
    done = subprocess.run([sys.executable, "-c", _CHANGE], stdout=subprocess.PIPE, text=True, check=True)
    assert all(float(stays) < 20 for stays in done.stdout.split())
