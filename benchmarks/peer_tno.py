"""TNO's Shamir package: how many integers a second are shared among five and opened by three.

    python peer_tno.py VALUES

Runs in the environment that `peers.py` makes, and imports nothing of ours. One JSON line.
"""

from __future__ import annotations

import json
import random
import sys
import time

from tno.mpc.encryption_schemes.shamir.shamir import ShamirSecretSharingScheme, ShamirShares

PRIME = 2**31 - 1


def main() -> None:
    count = int(sys.argv[1])
    scheme = ShamirSecretSharingScheme(PRIME, number_of_parties=5, polynomial_degree=2)
    numbers = [random.randrange(PRIME) for _ in range(count)]

    began = time.process_time()
    shared = [scheme.share_secret(number) for number in numbers]
    few = [ShamirShares(scheme, {x: one.shares[x] for x in (2, 4, 5)}) for one in shared]
    opened = [one.reconstruct_secret() for one in few]
    cpu_s = time.process_time() - began

    if opened != numbers:
        sys.exit("TNO's package opened something else")
    print(json.dumps({"values_per_s": count / cpu_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
