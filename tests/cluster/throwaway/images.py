"""Container images without a registry: archives that containerd imports, made of the machine's own files.

`pause` holds a pod's namespaces. `python` has the machine's Python with its standard library,
busybox and nothing else: packages and code under test are mounted into the pods at the paths that
they have on the machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throwaway import programs
from throwaway.configuration import PAUSE_IMAGE
from throwaway.plan import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PYTHON_IMAGE = "throwaway.local/python:1"
USER = 1000
_PATH = "PATH=/usr/local/bin:/usr/bin:/bin"
_BUSYBOX = Path("/bin/busybox")
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")  # libraries that speak HTTPS ask for them at once
_LEFT_OUT = re.compile(
    r"/(test|tests|site-packages|dist-packages|idlelib|tkinter|ensurepip|config-3[^/]*)(/|$)"
)
# What the dynamic linker loads without being asked for it, or packages' own modules ask for.
_ALSO = (
    "nss_files.so.2",
    "nss_dns.so.2",
    "resolv.so.2",
    "gcc_s.so.1",
    "stdc++.so.6",
    "m.so.6",
    "pthread.so.0",
)
_ALSO += ("dl.so.2", "rt.so.1", "util.so.1", "anl.so.1")
_ACCOUNTS = f"root:x:0:0:root:/root:/bin/sh\nuser:x:{USER}:{USER}:user:/tmp:/bin/sh\n"


class Archive:
    """A layer under construction: a tar in memory that makes parent folders as needed."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._buffer, mode="w", format=tarfile.PAX_FORMAT)
        self._known: set[str] = set()

    def folder(self, path: str, mode: int = 0o755) -> None:
        name = path.strip("/")
        if not name or name in self._known:
            return
        self.folder(name.rpartition("/")[0])
        self._known.add(name)
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(info)

    def file(self, path: str, data: bytes, mode: int = 0o644, mtime: float = 0) -> None:
        info = tarfile.TarInfo(self._claim(path))
        info.size, info.mode, info.mtime = len(data), mode, mtime
        self._tar.addfile(info, io.BytesIO(data))

    def link(self, path: str, target: str) -> None:
        info = tarfile.TarInfo(self._claim(path))
        info.type, info.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(info)

    def copy(self, source: Path, path: str | None = None) -> None:
        """A file of the machine, to the same place unless another is given; links are followed."""
        path = _merged(str(source)) if path is None else path
        if path.strip("/") not in self._known:
            facts = source.stat()  # compiled modules are valid for one time of their source only
            self.file(path, source.read_bytes(), facts.st_mode & 0o755, facts.st_mtime)

    def _claim(self, path: str) -> str:
        name = path.strip("/")
        self.folder(name.rpartition("/")[0])
        self._known.add(name)
        return name

    def data(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()


def _merged(path: str) -> str:
    """The path where /bin, /lib and /lib64 are links into /usr."""
    return re.sub(r"^/(bin|sbin|lib|lib64)/", r"/usr/\1/", path)


def _libraries(binaries: list[Path]) -> Iterator[Path]:
    """The shared libraries that the dynamic linker would load for these."""
    listing = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, timeout=120)
    found = set(re.findall(r"(?:=> |^\t)(/\S+)", listing.stdout, re.MULTILINE))
    places = {Path(path).parent for path in found}
    also = {place / f"lib{name}" for place in places for name in _ALSO}
    found |= {str(path) for path in also if path.exists()}
    yield from map(Path, sorted(found))


def _python_layer() -> bytes:
    archive = Archive()
    for name in ("bin", "sbin", "lib", "lib64"):
        archive.folder(f"usr/{name}")
        archive.link(name, f"usr/{name}")
    archive.folder("tmp", 0o1777)
    archive.copy(_BUSYBOX, "/usr/bin/busybox")
    applets = subprocess.check_output([str(_BUSYBOX), "--list"], text=True, timeout=20).split()
    for applet in applets:
        if applet != "busybox":
            archive.link(f"usr/bin/{applet}", "busybox")
    archive.file("etc/passwd", _ACCOUNTS.encode())
    archive.file("etc/group", f"root:x:0:\nuser:x:{USER}:\n".encode())
    archive.file("etc/nsswitch.conf", b"hosts: files dns\n")
    archive.copy(_AUTHORITIES)
    executable = Path(sys.base_prefix, "bin", f"python{sysconfig.get_python_version()}").resolve()
    library = Path(sysconfig.get_paths()["stdlib"])
    modules = sorted(
        path for path in library.rglob("*") if path.is_file() and not _LEFT_OUT.search(str(path))
    )
    for path in modules:
        archive.copy(path)
    for path in _libraries([executable, *(path for path in modules if path.suffix == ".so")]):
        archive.copy(path)
    archive.copy(executable)
    for name in ("python3", "python", f"python{sysconfig.get_python_version()}"):
        for place in {"/usr/bin", f"{sys.base_prefix}/bin"}:
            if f"{place}/{name}" != str(executable):
                archive.link(f"{place}/{name}", str(executable))
    return archive.data()


def _pause_layer() -> bytes:
    archive = Archive()
    archive.copy(programs.folder() / "pause", "/pause")
    return archive.data()


def _image(name: str, layer: bytes, config: dict[str, Any]) -> bytes:
    """An image archive of the Open Container Initiative's layout."""
    blobs: dict[str, bytes] = {}

    def blob(data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": f"sha256:{digest}",
            "size": len(data),
        }

    content = blob(layer, "layer.v1.tar")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    root = {"type": "layers", "diff_ids": [content["digest"]]}
    described = blob(
        json.dumps({"architecture": machine, "os": "linux", "config": config, "rootfs": root}).encode(),
        "config.v1+json",
    )
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    entry = blob(
        json.dumps(manifest | {"config": described, "layers": [content]}).encode(), "manifest.v1+json"
    )
    entry["annotations"] = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.split(":")[1],
    }
    archive = Archive()
    archive.file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    archive.file("index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())
    for digest, data in blobs.items():
        archive.file(f"blobs/sha256/{digest}", data)
    return archive.data()


def build() -> list[Path]:
    """The image archives; made once for each Python and each version of this recipe."""
    recipe = Path(__file__).read_bytes() + sys.version.encode() + sys.base_prefix.encode()
    folder = cache_folder() / "images" / f"{programs.folder().name}-{hashlib.sha256(recipe).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    wanted: list[tuple[str, Callable[[], bytes], dict[str, Any]]] = [
        (PAUSE_IMAGE, _pause_layer, {"Entrypoint": ["/pause"]}),
        (
            PYTHON_IMAGE,
            _python_layer,
            {"Cmd": ["python3"], "Env": [_PATH, "LANG=C.UTF-8"], "User": str(USER)},
        ),
    ]
    paths = []
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, layer, config in wanted:
            path = folder / f"{name.split('/')[1].split(':')[0]}.tar"
            if not path.exists():
                unfinished = path.with_suffix(".unfinished")
                unfinished.write_bytes(_image(name, layer(), config))
                unfinished.rename(path)
            paths.append(path)
    return paths
