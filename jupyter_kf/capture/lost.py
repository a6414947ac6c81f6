"""What stands in the notebook for an object that could not come back from the replicas.

An open file or a tape that has recorded is of use to one process only. A cell that leaves one behind has done
its work all the same, so it ends as it would have ended here; only who uses what is lost gets the reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from jupyter_kf.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SAYS = " cannot come back from the replicas: "


def message(name: str, reason: str) -> str:
    """Say that what the user knows by this name is lost."""
    return f"{name}{_SAYS}{reason}."


class LostError(CaptureError):
    """Parts of a result could not travel; the rest is applied, and in ``value``.

    ``lost`` says why parts are replaced by `Lost`, ``stale`` why live objects keep their old state.
    """

    value: Any = None
    lost: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: Any, lost: list[str], stale: list[str]) -> LostError:
        """Give the error that names all parts, each once."""
        merged = _merged(dict.fromkeys(lost))
        error = cls(" ".join([*dict.fromkeys([*merged, *stale]), "Everything else is applied."]))
        error.value, error.lost, error.stale = value, merged, tuple(stale)
        return error


def _merged(messages: Iterable[str]) -> tuple[str, ...]:
    """One message for the parts of one object that are lost for one reason; the first of them is named."""
    alike: dict[tuple[str, str], list[str]] = {}
    for each in messages:
        name, _, reason = each.partition(_SAYS)
        root = re.match(r"\w*", name)
        alike.setdefault((root.group() if root else "", reason), []).append(each)
    return tuple(
        first if not others else first.replace(_SAYS, f" and {len(others)} more of {root}{_SAYS}", 1)
        for (root, _), (first, *others) in alike.items()
    )


class Lost:
    """Whatever is done with it raises `LostError`; only its `repr` and identity can be had."""

    __slots__ = ("_message",)
    _message: str

    def __init__(self, message: str) -> None:
        object.__setattr__(self, "_message", message)

    def __repr__(self) -> str:
        return f"<lost: {self._message}>"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # what Python and IPython ask of any object
            raise AttributeError(name)
        self._refuse()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise LostError(self._message)

    __call__ = __setattr__ = __delattr__ = __eq__ = __bool__ = _refuse
    __len__ = __iter__ = __next__ = __contains__ = __getitem__ = __setitem__ = __delitem__ = _refuse
    __enter__ = __exit__ = __int__ = __float__ = __index__ = __array__ = _refuse
    __hash__ = object.__hash__
