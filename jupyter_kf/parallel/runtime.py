"""Starts TensorFlow's collective runtime in bounded time, or says who is missing.

What runs on it, and in what order, is ``collective``'s.
"""

from __future__ import annotations

import contextlib
import socket
import threading

import tensorflow as tf
from tensorflow.python.eager import context

from . import meeting

_HEARTBEAT_MS = 3000
_LEADER = "/job:worker/replica:0/task:0"


def start(rank: int, addresses: list[str], timeout: float) -> None:
    """Joins the processes at ``addresses`` (host:port by rank) within ``timeout`` seconds.

    The start blocks, so it runs in a thread that is given up at the end. Raises TimeoutError, naming ranks
    that cannot be reached, and RuntimeError when TensorFlow refuses (its own message follows).
    """
    failure: list[BaseException] = []

    meeting.wait(rank, addresses, timeout)

    def run() -> None:
        try:
            _start(rank, addresses)
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            failure.append(error)

    thread = threading.Thread(target=run, name="collective-start", daemon=True)
    thread.start()
    thread.join(timeout)
    late = thread.is_alive()  # asked once: it may end at any moment
    if not late and not failure:
        return
    away = [str(i) for i, address in enumerate(addresses) if i != rank and not _listens(address)]
    who = f"rank {', '.join(away)}" if away else "some rank"
    if late or isinstance(failure[0], tf.errors.DeadlineExceededError):
        raise TimeoutError(
            f"Replica {rank} of {len(addresses)} waited {timeout:g} s for the others: {who} did not come. "
            "Its log says why."
        ) from (failure[0] if failure else None)
    raise RuntimeError(f"TensorFlow could not start its collectives: {failure[0]}") from failure[0]


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=0.5):
        return True
    return False


def _start(rank: int, addresses: list[str]) -> None:
    """What MultiWorkerMirroredStrategy does to start the runtime, without the strategy (TensorFlow 2.21)."""
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.core.protobuf import cluster_pb2, tensorflow_server_pb2

    runtime = context.context()
    runtime.configure_collective_ops(collective_leader=_LEADER, device_filters=(f"/job:worker/task:{rank}",))
    runtime.configure_coordination_service(
        service_type="standalone",
        service_leader=_LEADER,
        heartbeat_timeout_in_ms=_HEARTBEAT_MS,
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=len(addresses))],
    )
    cluster = cluster_pb2.ClusterDef()
    job = cluster.job.add(name="worker")
    for index, address in enumerate(addresses):
        job.tasks[index] = address
    config = runtime.config
    config.experimental.collective_group_leader = _LEADER
    server = tensorflow_server_pb2.ServerDef(
        cluster=cluster, default_session_config=config, job_name="worker", task_index=rank, protocol="grpc"
    )
    runtime.enable_collective_ops(server)
    runtime.ensure_initialized()
