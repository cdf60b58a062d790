"""MPyC: the rate of its Shamir sharing, or a secure sum of five parties.

    python peer_mpyc.py rate VALUES
    python peer_mpyc.py sum CLIENTS VALUES -M5

Runs in the environment that `peers.py` makes, and imports nothing of ours. `rate` shares and
recombines on one core, 3 of 5, by the faster of MPyC's two ways (plain integers or numpy). `sum`
adds the inputs of so many clients in five processes over local sockets; processor seconds are those
of all five from the first input to the output. One JSON line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpyc import thresha
from mpyc.finfields import GF
from mpyc.runtime import mpc

PRIME = 2**31 - 1
POINTS = (2, 4, 5)


def plain(field: Any, numbers: list[int]) -> list[int]:
    shares = thresha.random_split(field, [field(number) for number in numbers], 2, 5)
    return [v % PRIME for v in thresha.recombine(field, [(x, shares[x - 1]) for x in POINTS])]


def by_numpy(field: Any, numbers: list[int]) -> list[int]:
    shares = thresha.np_random_split(field, field.array(numbers), 2, 5)
    points = [(x, shares[x - 1]) for x in POINTS]
    return [int(v) % PRIME for v in thresha.np_recombine(field, points)]


def rate(count: int) -> dict[str, float]:
    field = GF(PRIME)
    numbers = [int(v) for v in np.random.default_rng(1).integers(0, PRIME, count)]
    ways: dict[str, Callable[[Any, list[int]], list[int]]] = {"plain": plain, "numpy": by_numpy}
    found = {}
    for name, way in ways.items():
        began = time.process_time()
        opened = way(field, numbers)
        found[name] = count / (time.process_time() - began)
        if opened != numbers:
            sys.exit(f"MPyC opened something else: {name}")
    return {"values_per_s": max(found.values()), **found}


async def summed(clients: int, count: int) -> dict[str, float]:
    secint = mpc.SecFld(modulus=PRIME)
    await mpc.start()
    numbers = [np.arange(count) % 1000 + client for client in range(clients)]
    began, began_wall = time.process_time(), time.perf_counter()
    total = None
    for client, values in enumerate(numbers):
        given = mpc.input(secint.array(values), senders=client % len(mpc.parties))
        total = given if total is None else total + given
    opened = await mpc.output(total)
    cpu_s, wall_s = time.process_time() - began, time.perf_counter() - began_wall
    everybody = await mpc.transfer(cpu_s)
    await mpc.shutdown()
    if [int(v) for v in opened] != [int(v) for v in np.sum(numbers, axis=0)]:
        sys.exit("MPyC's sum is wrong")
    return {"cpu_s": sum(everybody), "wall_s": wall_s}


def main() -> None:
    words = sys.argv[1:]  # MPyC has taken its own options out
    if words[0] == "rate":
        print(json.dumps(rate(int(words[1]))))
        return
    found = mpc.run(summed(int(words[1]), int(words[2])))
    if mpc.pid == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
