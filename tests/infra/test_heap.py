"""What `settle_heap` is for, in a process of its own: it changes the whole process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, resource, sys
from infra.heap import settle_heap

MIB = 2**20

def faults_of_a_pass():
    '''64 messages of 1 MiB, of which up to 8 are there at a time.'''
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        there = [bytes(bytearray(MIB)) for _ in range(8)]
        del there
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

settled = settle_heap(keep=True) if sys.argv[1] == "settled" else True
faults_of_a_pass()  # the heap grows
print(json.dumps([settled, faults_of_a_pass()]))
"""


def faults(how: str) -> int:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True
    )
    settled, count = json.loads(ended.stdout)
    if not settled:
        pytest.skip("the C library is not GNU's")
    return int(count)


def test_memory_of_freed_chunks_is_used_again() -> None:
    assert faults("as it was") > 1000
    assert faults("settled") < 100
