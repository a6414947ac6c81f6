"""Writes the reference from the code: what users can type, set, call and read. ``conf.py`` calls it.

What the code cannot say by itself, the meaning of names in the environment and on objects of the cluster,
stands in the two tables below; tests fail when one is missing there.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import messages
import public
import yaml
from public import prose

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    "JUPYTER_KF_STORE": "where jobs keep payload, log and results: a folder or a URL of fsspec; by default a "
    "folder beside Jupyter's own data. It holds pickles, so it must be yours alone",
    "JUPYTER_KF_BACKEND": "where jobs run: `local` (default) or `kubernetes`",
    "JUPYTER_KF_SLOTS": "how many replicas this machine runs at once; other jobs wait in line. One a core, "
    "at least 2",
    "JUPYTER_KF_RUNTIME": "folder of the warm process's socket and of locks; `jupyter_kf-UID` in the "
    "temporary folder",
    "JUPYTER_KF_IDLE": "seconds until the warm process ends by itself (600)",
    "JUPYTER_KF_PRELOAD": "modules that the warm process imports instead of its own list, by commas",
    "JUPYTER_KF_AUTOLOAD": "set by the notebook server: `1` if kernels load jupyter_kf by themselves",
    "JUPYTER_KF_PROFILES": "the profiles offered here: JSON, or the path of a JSON file; set by the spawner",
    "JUPYTER_KF_AVAILABILITY": "the URL by which the hub says what is free; set by the spawner",
    "JUPYTER_KF_PLACEMENT": "for notebooks outside of the cluster: image, volumes, user of replicas, as JSON",
    "JUPYTER_KF_ENVIRONMENT": "set in replicas: what `JobEnvironment.current()` reads",
    "JUPYTER_KF_LAST_WORDS": "set for tests of replicas: the file that a container leaves its reason in",
}
LABELS = {
    "job": "label: the job's name, on its Job, Service and pods",
    "user": "label: whose it is, on jobs and on the namespaces that the hub makes",
    "profile": "label: the profile of a notebook server's pod",
    "spec": "annotation of a Job: the specification as JSON",
    "cancelled": "annotation of a Job: that somebody cancelled it",
    "schedule": "label: the schedule that a CronJob and its jobs belong to",
    "schedule-spec": "annotation of a CronJob: the schedule as JSON",
    "part": "label: `launcher` on what a schedule starts to send its job out",
}


def write(folder: Path) -> None:
    """Write every page; one that says the same already is left alone, so that builds stay quick."""
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        file = folder / f"{name}.md"
        if not file.exists() or file.read_text() != text:
            file.write_text(text)


def pages() -> dict[str, str]:
    """Give all pages by name."""
    return {
        "magics": magics(),
        "api": public.page(),
        "settings": settings(),
        "catalogue": catalogue(),
        "server": server(),
        "cluster": cluster(),
        "messages": messages.page(),
    }


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Write a table of Markdown."""
    lines = [list(head), ["---"] * len(list(head)), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines) + "\n"


def _cell(content: Any) -> str:
    return re.sub(r"\s+", " ", str(content)).strip().replace("|", "\\|")


def magics() -> str:
    """The magics and the commands with their options, as their own parsers have them."""
    from jupyter_kf.magics import KFMagics

    parts = ["# Magics and commands\n"]
    made = [
        (prefix + name, kind, name)
        for kind, prefix in (("cell", "%%"), ("line", "%"))
        for name in KFMagics.magics[kind]
    ]
    for title, kind, name in made:
        magic = getattr(KFMagics, KFMagics.magics[kind][name])
        example = re.search(r"Examples:\n\n((?:    .*\n?|\n)+)", prose(inspect.getdoc(magic)))
        head = _first_sentence(magic)
        parts += [f"## `{title}`\n", head + "\n", _options(magic.parser)]
        if example:
            parts.append("```text\n" + inspect.cleandoc("\n" + example[1]).rstrip() + "\n```\n")
    for name, parser in commands().items():
        parts += [f"## `python -m jupyter_kf {name}`\n", _options(parser)]
    return "\n".join(parts)


def commands() -> dict[str, argparse.ArgumentParser]:
    """The commands for a terminal, with their parsers."""
    from jupyter_kf.__main__ import parser

    (choices,) = (action.choices for action in parser()._actions if isinstance(action.choices, dict))
    return dict(choices)


def _options(parser: argparse.ArgumentParser) -> str:
    rows = []
    for action in parser._actions:
        names = ", ".join(f"`{o}`" for o in action.option_strings) or f"`{action.dest}`"
        choice = ": " + ", ".join(f"`{c}`" for c in action.choices) if action.choices else ""
        rows.append((names, (action.help or "").replace("%%", "%") + choice))
    return table(("option", "what it does"), rows)


def _first_sentence(magic: Any) -> str:
    """The line of a magic's docstring that is not the usage, which magic_arguments puts before it."""
    lines = [line.strip() for line in (magic.__doc__ or "").splitlines() if line.strip()]
    return next(line for line in lines if line.endswith("."))


def settings() -> str:
    """What can be set: the server, the spawner, JupyterLab, the environment."""
    parts = ["# Settings\n"]
    for title, place in (
        ("The notebook server", "jupyter_kf.server.extension:JobsExtension"),
        ("The hub", "jupyter_kf.hub.spawner:KFSpawner"),
        ("The culler, a service of the hub", "jupyter_kf.hub.culling:ProfileCuller"),
    ):
        module, _, name = place.partition(":")
        kind = getattr(importlib.import_module(module), name)
        own = {n: t for n, t in kind.class_traits(config=True).items() if t.this_class is kind}
        rows = [(f"`c.{name}.{n}`", f"`{t.default()!r}`", prose(t.help)) for n, t in sorted(own.items())]
        parts += [f"## {title}\n", table(("setting", "default", "what it does"), rows)]
    schema = json.loads((ROOT / "labextension/schema/plugin.json").read_text())
    rows = [
        (f"`{n}`", f"`{json.dumps(p['default'])}`", p["description"]) for n, p in schema["properties"].items()
    ]
    parts += ["## JupyterLab\n", "In the settings editor, *Distributed jobs*.\n"]
    parts += [table(("setting", "default", "what it does"), rows)]
    keys = [
        (f"`{s['command']}`", " ".join(s["keys"]).replace("Accel", "Ctrl").replace(" ", "+"))
        for s in schema["jupyter.lab.shortcuts"]
    ]
    parts += [table(("command", "keys (Cmd for Ctrl on a Mac)"), keys), "## The environment\n"]
    parts += [table(("variable", "what it sets"), ((f"`{n}`", text) for n, text in ENVIRONMENT.items()))]
    return "\n".join(parts)


def catalogue() -> str:
    """The catalogue of profiles, from the schema that the hub checks it by."""
    schema = json.loads((ROOT / "jupyter_kf/hub/profiles.schema.json").read_text())
    kinds = schema["$defs"]
    parts = [
        "# The catalogue of profiles\n",
        "What the file may say; [the hub](../hub.md) says what it means.\n",
    ]
    parts += ["## The file\n", _keys(schema, kinds), "## `per_user`\n"]
    parts += [_keys(schema["properties"]["per_user"], kinds)]
    for name in ("profile", "accelerator", "toleration", "image"):
        parts += [f"## A key of `{name}`\n", _keys(kinds[name], kinds)]
    from jupyter_kf.profiles import Profile

    fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(Profile))
    parts += ["## In the environment\n", f"`JUPYTER_KF_PROFILES` holds a list of objects with {fields}.\n"]
    return "\n".join(parts)


def _keys(kind: dict[str, Any], kinds: dict[str, Any]) -> str:
    rows = []
    for name, given in kind["properties"].items():
        found = kinds[given["$ref"].rpartition("/")[2]] if "$ref" in given else given
        needed = "needed" if name in kind.get("required", ()) else ""
        rows.append((f"`{name}`", found["description"], needed))
    return table(("key", "value", "whether"), rows)


def server() -> str:
    """Routes of the notebook server, frames of the WebSocket, Jupyter events."""
    from jupyter_kf.server.handlers import STATUS_OF
    from jupyter_kf.server.routes import routes

    parts = [
        "# The server's routes\n",
        "All are below the server's base URL, behind its login, and authorized as ",
    ]
    parts[-1] += "the resource `jupyter_kf`. Errors are `{error, message}`, by the table below.\n"
    rows = []
    for pattern, handler, _ in routes(None, 0):  # type: ignore[arg-type]
        path = re.sub(r"\(\?P<(\w+)>\[\^/\]\+\)", lambda m: m[1].upper(), pattern).replace("\\", "")
        path = re.sub(r"\(\?P<\w+>([\w|]+)\)", r"{\1}", path)
        verbs = [v for v in ("get", "post") if v in vars(handler)]
        rows.append((f"`{' '.join(verbs).upper()} {path}`", prose(handler.__doc__).partition(": ")[2]))
    parts.append(table(("route", "what it gives or does"), rows))
    parts += [
        "## Errors\n",
        table(("error", "status"), ((f"`{e.__name__}`", c) for e, c in STATUS_OF.items())),
    ]
    contract = yaml.safe_load((ROOT / "jupyter_kf/server/job.v1.yaml").read_text())
    event = contract["properties"]["transition"]["enum"]
    parts += [
        "## Events\n",
        f"`{contract['$id']}`, with `transition` one of {', '.join(event)}, and `job`.\n",
    ]
    parts.append("## Frames of the WebSocket, and what is in them\n")
    parts += _values(contract)
    stored = yaml.safe_load((ROOT / "jupyter_kf/server/graph.v1.yaml").read_text())
    whole = {key: stored[key] for key in ("description", "properties")}
    stored["$defs"] = {stored["title"]: whole} | stored["$defs"]
    parts.append("## Stored graphs and schedules: what is answered and what is asked\n")
    return "\n".join(parts + _values(stored))


def _values(contract: dict[str, Any]) -> list[str]:
    parts = []
    for name, kind in contract["$defs"].items():
        parts.append(f"### `{name}`\n\n{kind.get('description', '')}\n")
        if "properties" in kind:
            parts.append(
                table(
                    ("field", "type", "meaning"),
                    ((f"`{n}`", *_typed(p)) for n, p in kind["properties"].items()),
                )
            )
        else:
            parts.append(_typed(kind)[0] + "\n")
    return parts


def _typed(kind: dict[str, Any]) -> tuple[str, str]:
    if "$ref" in kind:
        shown = f"`{kind['$ref'].rpartition('/')[2]}`"
    elif "const" in kind or "enum" in kind:
        shown = ", ".join(f"`{v}`" for v in kind.get("enum", [kind.get("const")]))
    elif "oneOf" in kind or "anyOf" in kind:
        shown = " or ".join(_typed(k)[0] for k in kind.get("oneOf", kind.get("anyOf", ())))
    else:
        types = kind.get("type", "any")
        shown = " or ".join(types) if isinstance(types, list) else str(types)
        shown += f" of {_typed(kind['items'])[0]}" if "items" in kind else ""
    return shown, kind.get("description", "")


def cluster() -> str:
    """Names on the objects of the cluster."""
    rows = [(f"`jupyter-kf/{name}`", text) for name, text in LABELS.items()]
    rows.append(("`kueue.x-k8s.io/queue-name`", "Kueue's label: the profile's `queue`"))
    return "\n".join(["# Labels and annotations\n", table(("name", "where, and what it says"), rows)])
