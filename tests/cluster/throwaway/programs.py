"""The cluster's programs, built from Go modules once and kept by version for the next run."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from throwaway.plan import cache_folder

SOURCE = Path(__file__).parents[1] / "go"
NAMES = (
    "coredns",
    "device-plugin",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
_BUILD_SECONDS = 3600


def version() -> str:
    """The version of Kubernetes that go.mod pins, such as v1.36.3."""
    match = re.search(r"^\tk8s\.io/kubernetes (v\S+)$", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise ValueError(f"{SOURCE / 'go.mod'} does not require k8s.io/kubernetes")
    return match[1]


def needed_go() -> tuple[int, ...]:
    """The Go version that go.mod asks for."""
    match = re.search(r"^go (\d+)\.(\d+)", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise ValueError(f"{SOURCE / 'go.mod'} names no Go version")
    return int(match[1]), int(match[2])


def folder() -> Path:
    """Where the programs of this source are or will be."""
    digest = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix in (".go", ".mod", ".sum"):
            digest.update(path.relative_to(SOURCE).as_posix().encode() + b"\0" + path.read_bytes())
    return cache_folder() / "programs" / f"{version()}-{digest.hexdigest()[:12]}"


def is_built() -> bool:
    return folder().exists()


def build() -> Path:
    """The folder of the programs; builds them if need be, which says so and takes minutes."""
    target = folder()
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(target.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():  # else another process has just built them
            _build(target)
    return target


def _build(target: Path) -> None:
    started = time.monotonic()
    say(f"building Kubernetes {version()}, etcd and CoreDNS: once, about six minutes on two cores ...")
    unfinished = target.with_name(target.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    stamp = " ".join(f"-X {package}.gitVersion={version()}" for package in _VERSION_PACKAGES)
    _go("build", "-trimpath", "-ldflags", f"-s -w {stamp}", "-o", str(unfinished / "kube"), ".")
    _go("build", "-trimpath", "-ldflags", "-s -w", "-o", str(unfinished / "pause"), "./pause")
    for name in NAMES:
        (unfinished / name).symlink_to("kube")
    unfinished.rename(target)
    say(f"built in {time.monotonic() - started:.0f} s, kept in {target}")


def _go(*arguments: str) -> None:
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "GOWORK": "off",
    }
    done = subprocess.run(
        ["go", *arguments],
        cwd=SOURCE,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=_BUILD_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"go {arguments[0]} failed:\n{done.stderr[-4000:]}")


def say(text: str) -> None:
    """Tell the person who waits."""
    sys.stderr.write(f"throw-away cluster: {text}\n")
    sys.stderr.flush()
