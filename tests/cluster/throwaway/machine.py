"""What this machine must have and permit, and what it lacks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from throwaway import cgroups, programs, services

# Everything that is taken from Debian or Ubuntu.
PACKAGES = (
    "busybox-static",
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


def missing() -> list[str]:
    """Why this machine cannot have a cluster; empty when it can. It is asked, not changed."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return ["it takes Linux on x86_64 or aarch64"]
    rights = _lacks_rights()
    if rights:
        return [rights]
    absent = [name for name in _COMMANDS if shutil.which(name) is None]
    if not any(Path(folder, "bridge").exists() for folder in services.CNI_FOLDERS):
        absent.append("the network plug-ins (CNI)")
    if not Path("/bin/busybox").exists():
        absent.append("busybox")
    reasons = [f"not installed: {', '.join(absent)}; apt-get install {' '.join(PACKAGES)}"] if absent else []
    return reasons + [reason for reason in (_lacks_groups(), _lacks_go()) if reason]
