"""The documentation says what is so: everything a user can type, set, call or read is in it, and leads somewhere."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

import jupyter_kf as kf
from tests.snippets import DOCS, ROOT, WRITTEN
from tests.warmth import place, warm_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["place", "warm_place"]

SOURCE = "\n".join(p.read_text() for p in sorted((ROOT / "jupyter_kf").rglob("*.py")))

# These are for Python, for TensorFlow and for who works on jupyter_kf: no user sees them.
NOT_TOLD = {"AttributeError", "AssertionError", "pfor.ConversionNotImplementedError"}


@pytest.fixture(scope="module", autouse=True)
def pages() -> Iterator[dict[str, str]]:
    """The reference as it is written from the code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        import reference

        yield reference.pages()


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_every_magic_and_command_is_documented_with_its_options(pages: dict[str, str]) -> None:
    import reference

    from jupyter_kf.magics import KFMagics

    asked = {f"python -m jupyter_kf {name}": parser for name, parser in reference.commands().items()}
    for kind, prefix in (("cell", "%%"), ("line", "%")):
        for name, method in KFMagics.magics[kind].items():
            asked[prefix + name] = getattr(KFMagics, method).parser
    assert asked.keys() >= {"%%kf", "%kf", "python -m jupyter_kf run-graph"}
    for title, parser in asked.items():
        section = pages["magics"].partition(f"## `{title}`\n")[2].partition("\n## ")[0]
        for action in parser._actions:
            assert action.help and action.help is not argparse.SUPPRESS
            for name in action.option_strings or [action.dest]:
                assert f"`{name}`" in section


def test_every_public_name_is_documented(pages: dict[str, str]) -> None:
    for name in kf.__all__:
        thing = getattr(kf, name)
        assert f"## `kf.{name}" in pages["api"]
        assert thing.__doc__, name
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                assert f"### `{name}.{member}" in pages["api"]
                assert value.__doc__, f"{name}.{member} has no docstring"


def test_every_trait_is_documented(pages: dict[str, str]) -> None:
    found = []
    for kind in (node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.ClassDef)):
        pattern = r"^    (\w+)(?:: Any)? = \w+\((?:.|\n)*?\.tag\(\s*config=True"
        found += [(kind.name, name) for name in re.findall(pattern, ast.unparse(kind), re.M)]
    assert len(found) >= SOURCE.count("config=True") >= 12
    for kind, name in found:
        row = re.search(rf"`c\.{kind}\.{name}` \| .* \| (.*) \|", pages["settings"])
        assert row is not None and len(row[1]) > 10, f"{kind}.{name}"


def test_every_variable_of_the_environment_is_documented() -> None:
    import reference

    assert set(re.findall(r"JUPYTER_KF_[A-Z_]+", SOURCE)) == reference.ENVIRONMENT.keys()


def test_every_label_and_annotation_is_documented() -> None:
    import reference

    assert set(re.findall(r'label_key\("([\w-]+)"\)', SOURCE)) == reference.LABELS.keys()


def test_every_route_is_documented(pages: dict[str, str]) -> None:
    from jupyter_kf.server.routes import routes

    patterns = [pattern for pattern, _, _ in routes(None, 0)]  # type: ignore[arg-type]
    assert len(patterns) >= 20
    for pattern in patterns:
        plain = re.sub(r"\(\?P<\w+>(\[\^/\]\+)?", "", pattern.removeprefix("/jupyter-kf/"))
        words = re.findall(r"[a-z]+", plain)
        rows = [r for r in pages["server"].splitlines() if r.startswith("| `") and "/jupyter-kf/" in r]
        assert any(all(word in row for word in words) and row.split("|")[-2].strip() for row in rows), pattern
    assert "`GET /jupyter-kf/ws`" in pages["server"]


def test_every_frame_and_field_of_the_wire_is_documented(pages: dict[str, str]) -> None:
    contracts = [yaml.safe_load(f.read_text()) for f in (ROOT / "jupyter_kf/server").glob("*.v1.yaml")]
    assert len(contracts) == 2
    for name, kind in [each for contract in contracts for each in contract["$defs"].items()]:
        section = pages["server"].partition(f"### `{name}`\n")[2].partition("\n### ")[0]
        assert section
        for field in kind.get("properties", ()):
            assert f"| `{field}` |" in section


def test_every_key_of_the_catalogue_is_documented(pages: dict[str, str]) -> None:
    schema = json.loads((ROOT / "jupyter_kf/hub/profiles.schema.json").read_text())
    hub = (DOCS / "hub.md").read_text()
    for name in schema["$defs"]["profile"]["properties"]:
        assert f"| `{name}` |" in pages["catalogue"]
        assert f"`{name}`" in hub, f"docs/hub.md does not say what {name} means"
    for name in schema["$defs"]["accelerator"]["properties"]:
        assert f"| `{name}` |" in pages["catalogue"]
        assert re.search(rf"\b{name}\b", hub), f"docs/hub.md does not say what {name} means"


def test_every_message_is_listed(pages: dict[str, str]) -> None:
    """Whatever is raised, and every other sentence that is neither a docstring nor says what an option is for."""
    import messages

    calls = [
        (module, node.exc)
        for module, tree in messages.sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args
    ]
    unlisted = set()
    for module, call in calls:
        text = messages.template(call.args[0])
        listed = messages._plain(text) in pages["messages"] or ast.unparse(call.func) in NOT_TOLD
        if re.search("[a-z]", text) and " " in text and not listed:
            unlisted.add((module, text))
    assert unlisted == set()
    assert len(messages.sentences()) > 40
    assert all(messages._plain(text) in pages["messages"] for text, _ in messages.sentences())


def test_troubleshooting_shows_messages_as_they_are() -> None:
    import messages

    shown = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(), re.M)
    assert len(shown) > 15
    known = [re.compile(r".+?".join(map(re.escape, t.split("…")))) for t in messages.texts()]
    parts = {part.strip() for t in messages.texts() for part in t.split("…") if len(part) > 8}
    for message in shown:
        exact = any(pattern.search(message) for pattern in known if len(pattern.pattern) > 24)
        assert exact or any(message in part for part in parts), f"no code says {message!r}"


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    import reference

    written = {f"reference/{name}.md" for name in reference.pages()}
    for target in re.findall(r"\]\(([^)#\s]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.S)):
        if not target.startswith("http"):
            place = (page.parent / target).resolve()
            assert place.exists() or str(place.relative_to(DOCS)) in written, target
