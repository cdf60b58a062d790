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

def private_kib():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])

def many():
    '''128 messages of 1 MiB that are there at a time, and models that are larger than any.'''
    there = [bytes(bytearray(MIB)) for _ in range(128)]
    models = [bytes(bytearray(16 * MIB)) for _ in range(4)]
    del there, models

how = sys.argv[1]
settled = settle_heap(spare=how == "spare") if how != "as it was" else True
before = private_kib()
faults_of_a_pass()
second = faults_of_a_pass()
many()
print(json.dumps([settled, second, private_kib() - before]))
"""


def measured(how: str) -> tuple[int, int]:
    """Return the faults of a second pass, and by how many KiB the process grew."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True
    )
    settled, second, grew = json.loads(ended.stdout)
    if not settled:
        pytest.skip("the C library is not GNU's")
    return second, grew


def test_what_a_few_messages_need_stays_and_all_else_goes_back() -> None:
    second, grew = measured("spare")

    assert second < 100
    assert grew < 17 * 1024
    assert measured("as it was")[0] > 1000


def test_without_spare_memory_every_message_goes_back() -> None:
    _, grew = measured("nothing spare")

    assert grew < 1024


BETWEEN = """
import json
from infra.heap import give_back, settle_heap

def private_kib():
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])

settled = settle_heap(spare=False)
blocks = [bytes(bytearray(2000)) for _ in range(20_000)]
kept = blocks[::100]
del blocks
before = private_kib()
give_back()
print(json.dumps([settled, before - private_kib()]))
"""


def test_what_lies_between_what_stays_goes_back_when_that_is_asked() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BETWEEN], capture_output=True, text=True, check=True
    )
    settled, less_kib = json.loads(ended.stdout)
    if not settled:
        pytest.skip("the C library is not GNU's")

    assert less_kib > 30 * 1024  # of 40 MB
