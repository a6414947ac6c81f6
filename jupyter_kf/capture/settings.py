"""Settings of the process that decide what a cell does and shows: of Python itself and of common libraries.

A notebook sets them in one cell for all that follow: warnings to ignore, the precision of printed arrays,
the look of plots, who logs what, the working folder. They are plain values; whatever is not is left alone.
Must not load a library that is not in use.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from jupyter_kf.capture import logs

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN = ("JUPYTER_KF_", "TF_CONFIG", "CUDA_VISIBLE_DEVICES", "NVIDIA_")  # a replica's own variables
_PLOTS_ELSEWHERE = ("backend", "backend_fallback", "interactive")

_began: dict[str, Any] = {}


def snapshot() -> dict[str, Any]:
    """The settings now, by module, for those that are in use."""
    return {module: get() for module, (get, _) in _KNOWN.items() if module in sys.modules}


def restore(state: dict[str, Any], *, load: bool = True) -> None:
    """Set what `snapshot` saw; with ``load`` also of libraries that are not in use yet."""
    with warnings.catch_warnings(action="ignore"):
        for module, saw in state.items():
            if module != "warnings" and saw and (load or module in sys.modules):
                _KNOWN[module][1](saw)
    _set_warnings(state["warnings"])
    if load:  # in a job; a kernel goes on from what it was given when it began
        _began.update(_process())


def _process() -> dict[str, Any]:
    return {"environ": dict(os.environ), "cwd": os.getcwd(), "path": list(sys.path)}  # noqa: PTH109


def _of_start() -> dict[str, Any]:
    """What the process has begun with: a job with what came with it, a kernel with what it was given."""
    if _began:
        return _began
    try:
        with open("/proc/self/environ", "rb") as given:  # noqa: PTH123
            pairs = (pair.partition("=") for pair in os.fsdecode(given.read()).split("\0") if pair)
    except OSError:
        return _process()
    return _process() | {"environ": {name: value for name, _, value in pairs}}


def _get_os() -> dict[str, Any]:
    """What has changed since the start; a variable that is gone is None."""
    start, now = _of_start(), _process()
    names = start["environ"].keys() | now["environ"].keys()
    return {
        "environ": {
            name: now["environ"].get(name)
            for name in sorted(names)
            if not name.startswith(_OWN) and now["environ"].get(name) != start["environ"].get(name)
        },
        "cwd": now["cwd"] if now["cwd"] != start["cwd"] else None,
        "path": [(at, entry) for at, entry in enumerate(now["path"]) if entry not in start["path"]],
        "gone": [entry for entry in start["path"] if entry not in now["path"]] if _began else [],
    }


def _set_os(state: dict[str, Any]) -> None:
    for name, value in state["environ"].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if state["cwd"]:
        with contextlib.suppress(OSError):  # of another machine
            os.chdir(state["cwd"])
    sys.path[:] = [entry for entry in sys.path if entry not in state["gone"]]
    for at, entry in state["path"]:
        if entry not in sys.path:
            sys.path.insert(at, entry)


def _get_warnings() -> list[Any]:
    return [entry for entry in warnings.filters if entry[2].__module__ != "__main__"]


def _set_warnings(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _get_decimal() -> Any:
    import decimal

    return decimal.getcontext().copy()


def _set_decimal(state: Any) -> None:
    import decimal

    decimal.setcontext(state)


def _get_numpy() -> dict[str, Any]:
    import numpy

    return {"print": numpy.get_printoptions(), "errors": numpy.geterr()}


def _set_numpy(state: dict[str, Any]) -> None:
    import numpy

    numpy.set_printoptions(**state["print"])
    numpy.seterr(**state["errors"])


def _get_pandas() -> dict[str, Any]:
    """The options that are not what they are in a notebook from the start."""
    from pandas._config import config

    return {
        key: value
        for key, option in config._registered_options.items()
        if (value := _option(config._global_config, key)) != option.defval and _plain(value)
    } | {"display.max_columns": _option(config._global_config, "display.max_columns")}


def _option(options: Any, key: str) -> Any:
    for part in key.split("."):
        options = options[part]
    return options


def _set_pandas(state: dict[str, Any]) -> None:
    import pandas

    before = _get_pandas()
    for key in before.keys() - state.keys():
        pandas.reset_option(key)
    for key, value in state.items():
        pandas.set_option(key, value)


def _get_plots() -> dict[str, Any]:
    import matplotlib

    return {
        name: value
        for name, value in dict.items(matplotlib.rcParams)
        if name not in _PLOTS_ELSEWHERE and value != matplotlib.rcParamsDefault.get(name)
    }


def _set_plots(state: dict[str, Any]) -> None:
    import matplotlib

    plots: dict[Any, Any] = matplotlib.rcParams
    defaults: dict[Any, Any] = matplotlib.rcParamsDefault
    # as matplotlib.rc_context does, past the checks that may load a backend
    dict.update(plots, {name: defaults[name] for name in _get_plots().keys() - state.keys()} | state)


def _plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | None) or callable(value)


_KNOWN: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "os": (_get_os, _set_os),
    "sys": (sys.getrecursionlimit, sys.setrecursionlimit),
    "warnings": (_get_warnings, _set_warnings),
    "logging": (logs.levels, logs.set_levels),
    "decimal": (_get_decimal, _set_decimal),
    "numpy": (_get_numpy, _set_numpy),
    "pandas": (_get_pandas, _set_pandas),
    "matplotlib": (_get_plots, _set_plots),
}
