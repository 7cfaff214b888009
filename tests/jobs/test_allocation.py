import subprocess
import sys

import pytest

PASSES = """
import resource, sys
import numpy as np
from foolflow.jobs.allocation import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
def one_pass():
    layers = [np.empty(2**25, np.uint8) for _ in range(4)]
    for layer in layers:
        layer[:] = 1
one_pass()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    one_pass()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode):
    done = subprocess.run([sys.executable, "-c", PASSES, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only the GNU C library has mallopt")
def test_memory_that_was_freed_is_used_again():
    assert page_faults("keep") < page_faults("default") / 5


def test_nothing_happens_elsewhere(monkeypatch):
    from foolflow.jobs import allocation

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(allocation.ctypes, "CDLL", None)
    allocation.keep_freed_memory()
