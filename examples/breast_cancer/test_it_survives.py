"""Does this job survive what its owners expect? Run with: pytest examples/breast_cancer"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.chaos.rehearsal import Rehearsal

# The middle owner's power fails while it uploads, in each round; a share-holder dies for good.
POWER_CUT = """
[scenario]
title = "Power cuts in the middle"
shows = "An owner whose power fails in each round comes back in time; a holder may die."

[cast]
job = "job.toml"

[run]
rounds = 8

[[fault]]
do = "kill"
who = "middle"
round = "every"
step = "upload"
for_s = 3

[[fault]]
do = "die"
who = "holder-4"
round = 3
step = "vote"

[expect]
all_strike = true
survivors_at_least = 3
"""


def test_every_round_is_complete_with_power_cuts_and_a_dead_holder(
    quorate_simulation: Rehearsal,
) -> None:
    outcome = quorate_simulation.play(POWER_CUT, seeds=5)

    assert (outcome.completed, outcome.abandoned) == (5 * 8, 0)


def test_no_fault_that_the_simulator_knows_breaks_a_rule(quorate_simulation: Rehearsal) -> None:
    quorate_simulation.swarm(cast={"job": "job.toml"}, seeds=20)
