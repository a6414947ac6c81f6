"""Where everything of a cluster is: addresses, folders, names. Pure; it starts and writes nothing.

The addresses are of 198.18.0.0/15, which RFC 2544 keeps for tests, so they clash with no real
network. Sixteen clusters find room beside each other, each with up to fourteen nodes.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

CLUSTERS = 16
NODES = 14
_SOCKET_PATH = 107  # the longest path of a Unix socket
_LONGEST_BELOW = len("/nodes/n14/containerd.sock.ttrpc")


def cache_folder() -> Path:
    """The folder of built programs, images and running clusters: XDG's, or JUPYTER_KF_CACHE."""
    own = os.environ.get("JUPYTER_KF_CACHE")
    base = (
        Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jupyter_kf"
    )
    return base.absolute() / "cluster"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a cluster shall be, and where it is.

    `devices` are the devices that each node pretends to have, by resource name. `grace` is the time
    in seconds after which a silent node counts as lost. `options` are more arguments for a program,
    by its name.
    """

    number: int
    folder: Path
    programs: Path
    images: tuple[Path, ...] = ()
    nodes: int = 1
    devices: dict[str, int] = dataclasses.field(default_factory=dict)
    grace: int = 40
    options: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.number < CLUSTERS:
            raise ValueError(f"a cluster's number is 0 to {CLUSTERS - 1}, not {self.number}")
        if not 1 <= self.nodes <= NODES:
            raise ValueError(f"a cluster has 1 to {NODES} nodes, not {self.nodes}")
        if len(str(self.folder)) + _LONGEST_BELOW > _SOCKET_PATH:
            raise ValueError(
                f"{self.folder} is too long for Unix sockets below it: name a shorter JUPYTER_KF_CACHE"
            )

    @property
    def name(self) -> str:
        """Name of the cluster's control groups and of its network interface on the machine."""
        return f"throwaway{self.number}"

    @property
    def network(self) -> str:
        return f"198.18.{16 * self.number}.0/24"

    @property
    def host(self) -> str:
        """The machine's address on the nodes' network."""
        return f"198.18.{16 * self.number}.1"

    @property
    def switch(self) -> str:
        """The address of the cluster's first process, which watches over the nodes."""
        return f"198.18.{16 * self.number}.254"

    @property
    def services(self) -> str:
        return f"198.19.{16 * self.number}.0/20"

    @property
    def kubernetes_service(self) -> str:
        return f"198.19.{16 * self.number}.1"

    @property
    def dns_service(self) -> str:
        return f"198.19.{16 * self.number}.10"

    @property
    def server(self) -> str:
        """The API server's address."""
        return f"https://{self.address('n1')}:6443"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def control(self) -> Path:
        """The Unix socket on which the running cluster takes requests."""
        return self.folder / "control.sock"

    @property
    def kubeconfig(self) -> Path:
        return self.pki / "admin.conf"

    def names(self) -> list[str]:
        """The nodes that the cluster starts with."""
        return [f"n{index}" for index in range(1, self.nodes + 1)]

    def address(self, node: str) -> str:
        return f"198.18.{16 * self.number}.{10 + int(node[1:])}"

    def pods(self, node: str) -> str:
        """The node's range of pod addresses."""
        return f"198.18.{16 * self.number + int(node[1:])}.0/24"

    def node_folder(self, node: str) -> Path:
        return self.folder / "nodes" / node

    def program(self, name: str) -> str:
        return str(self.programs / name)

    def to_json(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self)
        return fields | {
            "folder": str(self.folder),
            "programs": str(self.programs),
            "images": [str(image) for image in self.images],
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Plan:
        paths = {"folder": Path(fields["folder"]), "programs": Path(fields["programs"])}
        return cls(**(fields | paths | {"images": tuple(Path(image) for image in fields["images"])}))
