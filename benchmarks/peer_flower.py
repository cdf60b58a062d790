"""Flower's SecAgg+ in one process, without a network: its own workflow and its own client mod.

    python peer_flower.py TRAINERS VALUES LOST [NEIGHBOURS]

Runs in the environment that `peers.py` makes, and imports nothing of ours. The server's workflow
hands its messages to the clients' mod directly, which is as favourable to Flower as can be: no
gRPC, no serialised messages. LOST clients go away after they dealt their key shares, before they
send a masked vector: the loss that the protocol is made for. NEIGHBOURS is how many clients each
one shares with, itself among them; all of them if it is left out. One JSON line: processor seconds
of everybody and of the server alone, and the largest error of the sum.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
import time
from collections.abc import Iterable
from typing import Any

import flwr.compat.common.recorddict_compat as compat
import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.client.mod.secure_aggregation.secaggplus_mod import secaggplus_mod
from flwr.common import (
    Code,
    FitIns,
    FitRes,
    Status,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.server.compat.legacy_context import LegacyContext
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key
from flwr.server.workflow.secure_aggregation import SecAggPlusWorkflow
from flwr.serverapp.grid import Grid
from flwr.supercore.task_identity import TaskIdentity

COLLECT_MASKED_VECTORS = 3  # the third of four stages
EXAMPLES = 1000  # of every client: the mean is then the sum over their number


def vector_of(node: int, values: int) -> np.ndarray:
    return np.random.default_rng(node).uniform(-1, 1, values).astype(np.float32)


class Client:
    """What stands for a client: its id."""

    def __init__(self, node_id: int) -> None:
        self.node_id, self.cid = node_id, str(node_id)


class Strategy:
    """Asks everybody once, and keeps what comes out."""

    def __init__(self, clients: int) -> None:
        self.clients = clients
        self.mean: np.ndarray | None = None

    def configure_fit(self, _round: int, parameters: Any, _manager: Any) -> list[Any]:
        return [(Client(i + 1), FitIns(parameters, {})) for i in range(self.clients)]

    def aggregate_fit(self, _round: int, results: Any, _failures: Any) -> tuple[Any, Any]:
        parameters = results[0][1].parameters
        self.mean = parameters_to_ndarrays(parameters)[0]
        return parameters, {}


class Here(Grid):  # type: ignore[misc]  # flwr is in an environment of its own
    """The clients, called where they are."""

    def __init__(self, clients: int, values: int, lost: int) -> None:
        self._vectors = {i: vector_of(i, values) for i in range(1, clients + 1)}
        self._lost = range(1, lost + 1)
        self._stage = 0
        self.clients_s = 0.0
        self._contexts = {
            i: Context(run_id=1, node_id=i, node_config={}, state=RecordDict(), run_config={})
            for i in range(1, clients + 1)
        }

    def set_run(self, run: Any) -> None:
        raise NotImplementedError

    @property
    def run(self) -> Any:
        return None

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        raise NotImplementedError

    def get_node_ids(self) -> list[int]:
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Any:
        raise NotImplementedError

    def pull_messages(self, message_ids: Iterable[str]) -> Any:
        raise NotImplementedError

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        self._stage += 1
        return [
            self._answer(message)
            for message in messages
            if not (
                self._stage >= COLLECT_MASKED_VECTORS and message.metadata.dst_node_id in self._lost
            )
        ]

    def _answer(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        message.content = copy.deepcopy(message.content)  # the workflow uses it again
        began = time.process_time()
        answer = secaggplus_mod(message, self._contexts[node], self._trained)
        self.clients_s += time.process_time() - began
        answer.metadata.__dict__["_src_node_id"] = node
        return answer

    def _trained(self, message: Message, _context: Context) -> Message:
        vector = self._vectors[message.metadata.dst_node_id]
        result = FitRes(Status(Code.OK, ""), ndarrays_to_parameters([vector]), EXAMPLES, {})
        return Message(compat.fitres_to_recorddict(result, False), reply_to=message)


def main() -> None:
    clients, values, lost = (int(word) for word in sys.argv[1:4])
    neighbours: int | float = int(sys.argv[4]) if len(sys.argv) > 4 else 1.0
    logging.getLogger("flwr").setLevel(logging.ERROR)
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 0, 1
    strategy, grid = Strategy(clients), Here(clients, values, lost)
    server = Context(run_id=1, node_id=0, node_config={}, state=RecordDict(), run_config={})
    context = LegacyContext(server, strategy=strategy)
    context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({Key.CURRENT_ROUND: 1})
    first = ndarrays_to_parameters([np.zeros(values, np.float32)])
    context.state.array_records[MAIN_PARAMS_RECORD] = compat.parameters_to_arrayrecord(first, True)

    began, began_wall = time.process_time(), time.perf_counter()
    SecAggPlusWorkflow(num_shares=neighbours, reconstruction_threshold=0.5, max_weight=EXAMPLES)(
        grid, context
    )
    cpu_s, wall_s = time.process_time() - began, time.perf_counter() - began_wall

    if strategy.mean is None:
        sys.exit("Flower opened no sum")
    right = np.mean([vector_of(i, values) for i in range(lost + 1, clients + 1)], axis=0)
    error = float(np.abs(strategy.mean - right).max())
    if error > 1e-4:
        sys.exit(f"Flower's mean is off by {error}")
    found = {"cpu_s": cpu_s, "server_s": cpu_s - grid.clients_s, "wall_s": wall_s, "error": error}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
