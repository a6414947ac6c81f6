"""YAML whose every value knows its line, checked against a JSON Schema, so that a fault names its place.

Libraries do the reading and the checking; what is here is one clear line for whoever wrote the file.
"""

from __future__ import annotations

import difflib
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ..errors import SpecError

Path = tuple[str | int, ...]
_MERGE_TAG = "tag:yaml.org,2002:merge"


class Document:
    """A YAML text: its ``data``, and `fault` for what is wrong in it.

    Raises `SpecError` with the line if the text is no YAML that can be taken.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._lines: dict[Path, int] = {(): 1}
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            self.data: Any = None if node is None else self._value(loader, node, (), ())
        except yaml.MarkedYAMLError as err:
            mark = err.problem_mark or err.context_mark
            self._lines[()] = mark.line + 1 if mark else 1
            raise self.fault((), f"this cannot be read: {err.problem}") from err
        except (yaml.YAMLError, ValueError) as err:
            raise self.fault((), f"this cannot be read: {str(err).splitlines()[0]}") from err
        finally:
            loader.dispose()

    def _value(self, loader: yaml.SafeLoader, node: yaml.Node, path: Path, above: tuple[int, ...]) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in above:
            raise _misused(node, "an alias must not contain itself")
        above = (*above, id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(loader, each, (*path, i), above) for i, each in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return loader.construct_object(node, deep=True)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _misused(key, "a key must be a word")
            if key.value in seen and key.tag != _MERGE_TAG:
                raise _misused(key, f"the key {key.value!r} is there twice")
            seen.add(key.value)
        loader.flatten_mapping(node)
        found = {}
        for key, value in node.value:
            self._lines[*path, key.value] = key.start_mark.line + 1
            found[key.value] = self._value(loader, value, (*path, key.value), above)
        return found

    def fault(self, path: Path, message: str) -> SpecError:
        """Make the error for a value: file, line, where in the structure, what is wrong."""
        known = path
        while known not in self._lines:
            known = known[:-1]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        return SpecError(f"{self.name}:{self._lines[known]}: {where + ': ' if where else ''}{message}.")

    def check(self, schema: dict[str, Any]) -> None:
        """Raise `SpecError` for the first place, from the top, that does not fit the schema."""
        errors = [self._describe(error) for error in Draft202012Validator(schema).iter_errors(self.data)]
        if errors:
            path, message = min(errors, key=lambda each: self._lines.get(each[0], 0))
            raise self.fault(path, message)

    def _describe(self, error: Any) -> tuple[Path, str]:
        path, schema = tuple(error.absolute_path), error.schema
        if error.validator == "additionalProperties":
            known = list(schema["properties"])
            wrong = next(key for key in error.instance if key not in known)
            near = difflib.get_close_matches(wrong, known, 1)
            meant = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known)
            return (*path, wrong), f"there is no such key; {meant}".rstrip("?")
        if error.validator == "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            return path, f"lacks {missing!r}"
        must = schema.get("description", error.message)
        return path, f"must be {must}, not {error.instance!r:.80}"


def _misused(node: yaml.Node, message: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, message, node.start_mark)
