"""The pickle of live objects, and what makes it more than cloudpickle.

Every object that can change gets a number on both sides: its place in pickle's own memo, or the order of
its first mention if it is filled after the root. Objects that the other side knows are mentioned by number
and nothing else. Buffers are mentioned by their number in the safetensors file.
A stream is: modules from beside the notebook, the root, then records ``(fill, object, contents)``, then None.
"""

from __future__ import annotations

import builtins
import concurrent.futures
import pickle
import sys
import threading
import types
from typing import IO, TYPE_CHECKING, Any

import cloudpickle

from jupyter_kf.capture import functions, kinds, modules, objects, refusals
from jupyter_kf.capture.arrays import Alias, Loaded, Shared
from jupyter_kf.capture.tensors import Part, TensorReader, TensorWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROTOCOL = 5
_STACK, _DEPTH = 512 << 20, 250_000  # bytes of address space, levels
_QUICK = frozenset({str, int, float, bool, type(None), bytes})


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Writes one stream.

    :param known: numbers, by id, of the objects that the other side holds
    :param namespace: the globals of the notebook; in a reply their values are not sent
    :param lost: messages, by id, of objects found not to travel, to be sent instead of them
    :param shared: the memory of the arrays that the other side holds
    """

    def __init__(
        self,
        sink: IO[bytes],
        tensors: TensorWriter,
        namespace: dict[str, Any],
        known: Mapping[int, int] | None = None,
        lost: Mapping[int, str] | None = None,
        shared: Shared | None = None,
    ) -> None:
        super().__init__(sink, protocol=PROTOCOL)
        self._tensors, self._namespace = tensors, namespace
        self._known, self._lost, self._shared = known, lost or {}, shared
        self._deferred: dict[int, int] = {}
        self._queue: list[Any] = []
        self._sent: dict[int, set[str]] = {}
        self._files: dict[str, None] = {}
        self.deferred: list[Any] = []

    def write(
        self,
        root: Any,
        changes: Mapping[int, Any] | None = None,
        beside: Mapping[str, modules.Source] | None = None,
    ) -> None:
        """Write a whole stream.

        :param changes: known objects whose contents are sent anew
        :param beside: modules that the other side may have to be given
        """
        self.dump({name: tuple(source) for name, source in (beside or {}).items()})
        self.dump(root)
        for obj in (changes or {}).values():
            self._record(obj)
        while self._queue:
            self._record(self._queue.pop(0))
        self.dump((functions.add_sources, "linecache", tuple(functions.sources(self._files))))
        self.dump(None)

    def _record(self, obj: Any) -> None:
        kind = kinds.kind_of(obj)
        assert kind is not None
        self.dump((kind.fill, obj, kind.contents(obj)))

    def persistent_id(self, obj: Any) -> Any:
        cls = type(obj)
        if cls in _QUICK:
            return None
        if self._known is not None:
            number = self._known.get(id(obj))
            if number is not None:
                return ("known", number)
        if id(obj) in self._lost:
            return ("lost", self._lost[id(obj)])
        if cls is Part:
            return self._memory(obj)
        if cls is functions.Globals:
            return self._scope(obj)
        if obj is self._namespace:
            return ("namespace",)
        number = self._deferred.get(id(obj))
        if number is not None:
            return ("deferred", number)
        return self._defer(obj)

    def _memory(self, part: Part) -> Any:
        known = self._shared.find(part) if self._shared and not part.anew else None
        return ("alias", *known) if known else ("memory", self._tensors.mention(part))

    def _scope(self, scope: functions.Globals) -> Any:
        if scope.real is self._namespace:
            return ("namespace",)
        return ("scope", id(scope.real), str(scope.real.get("__name__", "__main__")))

    def _defer(self, obj: Any) -> Any:
        kind = kinds.kind_of(obj)
        if kind is None or not kind.deferred:
            return None
        number = self._deferred[id(obj)] = len(self.deferred)
        self.deferred.append(obj)
        self._queue.append(obj)
        return ("deferred", number, *kind.make(obj))

    def reducer_override(self, obj: Any) -> Any:
        kind = kinds.kind_of(obj)
        if kind is not None and kind.made_by_cloudpickle:
            return _slotted(super().reducer_override(obj))
        if kind is None:
            return kinds.by_reference(obj) or super().reducer_override(obj)
        if kind.as_pickled:
            return objects.reduced(obj)
        if kind.made_full:
            return kind.make(obj)
        contents = kind.contents(obj)
        if isinstance(obj, types.FunctionType):
            contents = (*contents, self._globals(obj))
            self._files[obj.__code__.co_filename] = None
        return (*kind.make(obj), contents, None, None, kind.fill)

    def _globals(self, func: types.FunctionType) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """The globals that the function uses and that were not sent with another function."""
        scope = func.__globals__
        own = isinstance(functions.globals_token(func), functions.Globals)
        if not own or (self._known is not None and scope is self._namespace):
            return (), ()
        sent = self._sent.setdefault(id(scope), set())
        names = tuple(sorted((functions.global_names(func.__code__) & scope.keys()) - sent))
        sent.update(names)
        return names, tuple(scope[name] for name in names)

    def numbered(self) -> dict[int, Any]:
        """The objects that can change, by the numbers under which the other side knows them."""
        return number(dict(self.memo.copy().values()), self.deferred)


def _slotted(reduction: Any) -> Any:
    """Let a class be made with its slots; cloudpickle names them when it is too late."""
    if isinstance(reduction, tuple) and len(reduction) > 2 and "__slots__" in reduction[2][0]:
        reduction[1][3]["__slots__"] = reduction[2][0].pop("__slots__")
    return reduction


def with_room(write: Callable[[], Any]) -> Any:
    """Call `write`, once more with a deep stack if structures nest too deeply for this one.

    :raises RecursionError: too deep for that as well
    """
    try:
        return write()
    except (RecursionError, pickle.PicklingError) as error:
        if not isinstance(error, RecursionError) and not isinstance(error.__cause__, RecursionError):
            raise
    limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK)
    try:
        sys.setrecursionlimit(_DEPTH)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(write).result()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)


class Unpickler(pickle.Unpickler):
    """Reads one stream.

    :param known: the objects that a reply mentions by number
    :param lost: called with the message for each part that could not be sent; gives what stands for it
    :param fixed: called for each object that cannot be set to its new state
    """

    def __init__(
        self,
        source: IO[bytes],
        tensors: TensorReader,
        namespace: dict[str, Any],
        known: Mapping[int, Any] | None = None,
        lost: Callable[[str], Any] | None = None,
        fixed: Callable[[refusals.Culprit], None] | None = None,
    ) -> None:
        super().__init__(source)
        self._tensors, self._namespace = tensors, namespace
        self._known, self._lost, self._fixed = known or {}, lost, fixed
        self._deferred: dict[int, Any] = {}
        self._scopes: dict[int, dict[str, Any]] = {}
        self._memories: dict[int, Loaded] = {}

    def read(self) -> Any:
        """Read a whole stream, fill everything, return the root."""
        modules.provide({name: modules.Source(*source) for name, source in self.load().items()})
        root = self.load()
        records = list(iter(self.load, None))
        # a dictionary or a set asks its keys for their hash, so they must be complete
        for fill, obj, contents in sorted(records, key=lambda record: isinstance(record[1], dict | set)):
            try:
                fill(obj, contents)
            except refusals.Culprit as culprit:
                if self._fixed is None:
                    raise
                self._fixed(culprit)
        return root

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("known", number):
                return self._known[number]
            case ("memory", number):
                return self._memories.setdefault(number, Loaded(number, self._tensors))
            case ("alias", number, shift):
                return Alias(self._known[number], shift)
            case ("namespace",):
                return self._namespace
            case ("scope", number, name):
                return self._scopes.setdefault(number, {"__name__": name, "__builtins__": builtins})
            case ("lost", message):
                return self._lost(message) if self._lost else None
            case ("deferred", number, make, arguments):
                self._deferred[number] = make(*arguments)
        return self._deferred[pid[1]]

    def numbered(self) -> dict[int, Any]:
        """The objects that can change, by the same numbers as on the side that wrote the stream."""
        return number(self.memo.copy(), list(self._deferred.values()))


def number(memo: Mapping[int, Any], deferred: list[Any]) -> dict[int, Any]:
    """Objects by number: places in pickle's memo from 0 up, filled later ones from -1 down."""
    objects = {place: obj for place, obj in memo.items() if _can_change(obj)}
    objects.update({-1 - place: obj for place, obj in enumerate(deferred)})
    return objects


def _can_change(obj: Any) -> bool:
    if type(obj) in _QUICK:
        return False
    try:
        return kinds.kind_of(obj) is not None
    except refusals.Culprit:
        return False
