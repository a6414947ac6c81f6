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
from typing import TYPE_CHECKING

from throwaway.plan import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).parents[1] / "go"
_S3_SOURCE = Path(__file__).parents[1] / "s3"
_KUEUE_SOURCE = Path(__file__).parents[1] / "kueue"
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
_S3_SERVER = "github.com/versity/versitygw/cmd/versitygw"
_KUEUE = "sigs.k8s.io/kueue"
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
    return _place(SOURCE, version())


def _place(source: Path, name: str) -> Path:
    digest = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        if path.suffix in (".go", ".mod", ".sum"):
            digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes())
    return cache_folder() / "programs" / f"{name}-{digest.hexdigest()[:12]}"


def is_built() -> bool:
    return folder().exists()


def build() -> Path:
    """The folder of the programs; builds them if need be, which says so and takes minutes."""
    return _once(folder(), _build)


def build_s3() -> Path:
    """The S3 server, built if need be."""
    return _once(_place(_S3_SOURCE, "s3"), _build_s3) / "versitygw"


def build_kueue() -> Path:
    """The folder with Kueue's manager and, in ``config``, its manifests; built if need be."""
    return _once(_place(_KUEUE_SOURCE, "kueue"), _build_kueue)


def _once(target: Path, work: Callable[[Path], None]) -> Path:
    """Let ``work`` fill a folder unless it is there already, or another process has just done so."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(target.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            started = time.monotonic()
            unfinished = target.with_name(target.name + ".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            work(unfinished)
            unfinished.rename(target)
            say(f"built in {time.monotonic() - started:.0f} s, kept in {target}")
    return target


def _build(unfinished: Path) -> None:
    say(f"building Kubernetes {version()}, etcd and CoreDNS: once, about six minutes on two cores ...")
    stamp = " ".join(f"-X {package}.gitVersion={version()}" for package in _VERSION_PACKAGES)
    flags = ("-trimpath", "-ldflags")
    _go(SOURCE, "build", *flags, f"-s -w {stamp}", "-o", str(unfinished / "kube"), ".")
    _go(SOURCE, "build", *flags, "-s -w", "-o", str(unfinished / "pause"), "./pause")
    for name in NAMES:
        (unfinished / name).symlink_to("kube")


def _build_s3(unfinished: Path) -> None:
    say("building an S3 server: once, about a minute on two cores ...")
    target = str(unfinished / "versitygw")
    _go(_S3_SOURCE, "build", "-trimpath", "-ldflags", "-s -w", "-o", target, _S3_SERVER)


def _build_kueue(unfinished: Path) -> None:
    say("building Kueue: once, about four minutes of one core ...")
    target = str(unfinished / "manager")
    _go(_KUEUE_SOURCE, "build", "-trimpath", "-ldflags", "-s -w", "-o", target, f"{_KUEUE}/cmd/kueue")
    module = Path(_go(_KUEUE_SOURCE, "list", "-m", "-f", "{{.Dir}}", _KUEUE).strip())
    shutil.copytree(module / "config", unfinished / "config", copy_function=shutil.copyfile)
    for path in (unfinished / "config").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # a module's files are for reading only


def _go(source: Path, *arguments: str) -> str:
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "GOWORK": "off",
    }
    done = subprocess.run(
        ["go", *arguments],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"go {arguments[0]} failed:\n{done.stderr[-4000:]}")
    return done.stdout


def say(text: str) -> None:
    """Tell the person who waits."""
    sys.stderr.write(f"throw-away cluster: {text}\n")
    sys.stderr.flush()
