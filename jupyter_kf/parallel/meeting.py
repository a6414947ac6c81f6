"""Replicas meet before TensorFlow starts its collectives, which blocks Python until the last has come.

Rank 0 listens on the address that TensorFlow will have afterwards; the others tell it their rank and wait for
its answer. Nothing of TensorFlow is used here, so the waiting can be bounded and says who is missing.
"""

from __future__ import annotations

import contextlib
import socket
import time


def wait(rank: int, addresses: list[str], timeout: float) -> None:
    """Return when all have come; raise TimeoutError, naming the others, after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    host, _, port = addresses[0].rpartition(":")
    place = (host.strip("[]"), int(port))
    missing = _receive(place, len(addresses), end) if rank == 0 else _come(place, rank, end)
    if missing:
        raise TimeoutError(
            f"Replica {rank} of {len(addresses)} waited {timeout:g} s for the others: rank "
            f"{', '.join(map(str, missing))} did not come. Its log says why."
        )


def _receive(place: tuple[str, int], size: int, end: float) -> list[int]:
    """Rank 0: who has not come by ``end``."""
    came: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack, _listening(place) as server:
        while len(came) < size - 1:
            server.settimeout(max(0.01, end - time.monotonic()))
            try:
                other = stack.enter_context(server.accept()[0])
                other.settimeout(5)
                came[int(other.makefile("rb").readline(16))] = other
            except (OSError, ValueError):
                if time.monotonic() >= end:
                    return [r for r in range(1, size) if r not in came]
        server.close()
        for other in came.values():
            other.sendall(b"!")
        for other in came.values():
            with contextlib.suppress(OSError):
                other.recv(1)  # closed there first, so that the port is free here
    return []


def _listening(place: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    try:
        return socket.create_server(place, family=family)
    except OSError:  # a name that is not this machine's own, as of a service
        return socket.create_server(("", place[1]))


def _come(place: tuple[str, int], rank: int, end: float) -> list[int]:
    """Another rank: whether rank 0 has not answered by ``end``."""
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(place, timeout=1) as there:
            there.settimeout(max(0.01, end - time.monotonic()))
            there.sendall(b"%d\n" % rank)
            if there.recv(1) == b"!":
                return []
        time.sleep(0.05)
    return [0]
