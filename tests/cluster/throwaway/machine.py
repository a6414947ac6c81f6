"""What this machine must have and permit, and what it lacks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from throwaway import cgroups, configuration, programs

# Everything that is taken from Debian or Ubuntu.
PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "containerd",
    "containernetworking-plugins",
    "iproute2",
    "nftables",
    "openssl",
    "runc",
    "util-linux",
)
_COMMANDS = ("containerd", "ctr", "runc", "ip", "nft", "openssl", "nsenter")
_NAMESPACE_RIGHTS = 21  # CAP_SYS_ADMIN
_NETWORK_RIGHTS = 12  # CAP_NET_ADMIN


def _lacks_rights() -> str:
    if os.geteuid() != 0:
        return "it takes root (namespaces, mounts, control groups)"
    status = Path("/proc/self/status").read_text()
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    rights = int(match[1], 16) if match else 0
    if not all(rights >> right & 1 for right in (_NAMESPACE_RIGHTS, _NETWORK_RIGHTS)):
        return "this container may not make namespaces and networks (CAP_SYS_ADMIN, CAP_NET_ADMIN)"
    return ""


def _lacks_groups() -> str:
    found = cgroups.hierarchies()
    if not found:
        return "there are no control groups at /sys/fs/cgroup"
    probe = f"throwaway-probe-{os.getpid()}"
    try:
        cgroups.make(probe, "n1")
    except OSError as error:
        return f"control groups cannot be made here ({error})"
    finally:
        cgroups.remove(cgroups.folders(probe))
    return ""


def _lacks_go() -> str:
    if programs.is_built():
        return ""
    go = shutil.which("go")
    if go is None:
        return f"there is no Go {'.'.join(map(str, programs.needed_go()))} or newer to build Kubernetes with"
    text = subprocess.check_output([go, "env", "GOVERSION"], text=True, timeout=60)
    have = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if have < programs.needed_go() and have < (1, 21):  # newer ones fetch the version that they need
        return f"{text.strip()} is too old to build Kubernetes"
    return ""


def absent() -> list[str]:
    """What of the packages is not installed."""
    found = [name for name in _COMMANDS if shutil.which(name) is None]
    if not any(Path(folder, "bridge").exists() for folder in configuration.CNI_FOLDERS):
        found.append("the network plug-ins (CNI)")
    return found if Path("/bin/busybox").exists() else [*found, "busybox"]


def install() -> None:
    """Install the packages with apt, as root. Raises RuntimeError with apt's last words."""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=900)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-1000:]}")


def missing() -> list[str]:
    """Why this machine cannot have a cluster; empty when it can. It is asked, not changed."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return ["it takes Linux on x86_64 or aarch64"]
    rights = _lacks_rights()
    if rights:
        return [rights]
    lacking = absent()
    reasons = (
        [f"not installed: {', '.join(lacking)}; apt-get install {' '.join(PACKAGES)}"] if lacking else []
    )
    return reasons + [reason for reason in (_lacks_groups(), _lacks_go()) if reason]
