"""A function becomes a graph that trains on any number of replicas as one process would.

It is traced with the hooks of a replica in place, for a group whose size, and the rank in it, are
variables of the graph: model calls are cut by rows, what comes of them is put together again, and
gradients are averaged, as in any job. In a group of one the collectives wait for nobody, so the same
graph runs anywhere. Nothing here knows of files.
"""

from __future__ import annotations

import contextlib
import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf
from keras.src.backend.common.name_scope import name_scope
from tensorflow.python.eager.polymorphic_function import concrete_function, polymorphic_function
from tensorflow.python.trackable import resource as trackable_resource
from tensorflow.python.trackable.base import Trackable

from .. import chance
from ..errors import CaptureError
from ..parallel import collective, hooks, sharing, stop
from . import safety
from .naming import names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHANGES = (
    "Assign",
    "ResourceApply",
    "ResourceSparseApply",
    "ResourceScatter",
    "LookupTableInsert",
    "LookupTableRemove",
)


class Group(tf.Module):  # type: ignore[misc]
    """The variables by which a stored graph learns its place among the replicas."""

    def __init__(self) -> None:
        super().__init__(name="group")
        with tf.init_scope(), tf.device("/device:CPU:0"):
            self.rank = tf.Variable(0, trainable=False, dtype=tf.int32, name="rank")
            self.size = tf.Variable(1, trainable=False, dtype=tf.int32, name="size")
            self.begun = tf.Variable([0, 0], trainable=False, dtype=tf.int64, name="begun")
            self.wish = tf.Variable(0.0, trainable=False, dtype=tf.float32, name="wish")
            self.state = tf.Variable([0.0, 0.0], trainable=False, dtype=tf.float32, name="state")


@dataclass
class Recorded:
    """The one trace of a function, what it holds, and the names of its weights."""

    concrete: Any
    group: Group
    weights: list[tf.Variable]
    names: list[str]
    resources: list[Any] = field(default_factory=list)
    ops: dict[str, int] = field(default_factory=dict)
    collectives: int = 0


def record(what: Any, examples: tuple[Any, ...], target: Target | None = None) -> Recorded:
    """Trace ``what`` for arguments like ``examples``; `CaptureError` says why it cannot be stored."""
    group = Group()
    if not examples and target is None and isinstance(what, keras.Model):
        examples = _known_inputs(what)
    specs = tf.nest.map_structure(spec_like, examples)
    if isinstance(what, concrete_function.ConcreteFunction):
        concrete = what
    else:
        function = _function(what, specs, target)
        concrete = _traced(function, specs, group)
        if function._jit_compile and _count(concrete)[1]:  # replicas cannot meet inside XLA
            concrete = _traced(_copy(function, jit=False), specs, group)
    ops, collectives = _count(concrete)
    _refuse(concrete.graph, ops, collectives, isinstance(what, concrete_function.ConcreteFunction))
    ours = {id(v) for v in (group.rank, group.size, group.begun, group.wish, group.state)}
    named = names_of(what, target and target.optimizer)
    both = [
        (named.get(id(v), v.name.partition(":")[0]), v) for v in concrete.graph.variables if id(v) not in ours
    ]
    both.sort(key=lambda pair: pair[0])
    names, weights = [name for name, _ in both], [variable for _, variable in both]
    resources = _resources(concrete, [*weights, group.rank, group.size, group.begun, group.wish, group.state])
    return Recorded(concrete, group, weights, names, resources, ops, collectives)


@dataclass(frozen=True)
class Target:
    """What a model is trained with, where that is not its own compiled optimizer and loss."""

    optimizer: Any = None
    loss: Any = None


def spec_like(example: Any) -> Any:
    """What arguments like this one have in common: the type, and the shape but for the rows of a batch."""
    if isinstance(example, tf.TypeSpec) or example is None:
        return example
    if isinstance(example, str | bytes | bool):
        raise CaptureError(
            f"The example argument {example!r} is no tensor, and a stored graph is called with tensors only. "
            "Fix it in the function (functools.partial), or pass a tensor."
        )
    spec = tf.type_spec_from_value(example if tf.is_tensor(example) else tf.convert_to_tensor(example))
    if isinstance(spec, tf.TensorSpec) and spec.shape.rank:
        return tf.TensorSpec([None, *spec.shape[1:]], spec.dtype)
    return spec


def _function(what: Any, specs: tuple[Any, ...], target: Target | None) -> Any:
    if isinstance(what, keras.Model):
        if not specs:
            raise _no_signature(what)
        call = _training(what, target, len(specs)) if target else _forward(what)
        return tf.function(call, input_signature=specs)
    if target and (target.optimizer or target.loss):
        raise CaptureError("optimizer= and loss= go with a Keras model; a function has its own inside.")
    if isinstance(what, polymorphic_function.Function):
        if not specs and what.input_signature is None:
            raise _no_signature(what)
        return _copy(what)
    if not callable(what):
        raise CaptureError(
            f"A {type(what).__name__} cannot be stored as a graph: give a tf.function, a method of a "
            "tf.Module, or a Keras model."
        )
    if not specs:
        raise _no_signature(what)
    return tf.function(what)


def _copy(function: Any, *, jit: bool = True) -> Any:
    copy = function._clone(None)
    copy._kf_copy = True
    copy._jit_compile = jit and function._jit_compile
    return copy


def _count(concrete: Any) -> tuple[dict[str, int], int]:
    """How many operations of each kind there are, and how many put something of the replicas together."""
    ops = safety.count(concrete.graph.as_graph_def())
    return ops, sum(n for op, n in ops.items() if op.startswith("Collective"))


def _known_inputs(model: Any) -> tuple[Any, ...]:
    """What a model made of layers takes, one argument each; nothing where it does not say, or by names."""
    if isinstance(getattr(model, "_inputs_struct", None), dict):
        return ()
    return tuple(tf.TensorSpec(x.shape, x.dtype) for x in getattr(model, "inputs", None) or ())


def _forward(model: Any) -> Callable[..., Any]:
    def forward(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    return forward


def _training(model: Any, target: Target | None, count: int) -> Callable[..., Any]:
    if target is not None and (target.optimizer is not None or target.loss is not None):
        if target.optimizer is None or target.loss is None:
            raise CaptureError("A training step needs both optimizer= and loss=, or a compiled model.")
        model.compile(target.optimizer, keras.losses.get(target.loss), jit_compile=False)
    if not getattr(model, "compiled", False):
        raise CaptureError(
            "The model is not compiled: give optimizer= and loss=, or call model.compile first."
        )
    model.reset_metrics()
    if model.built and not model.optimizer.built:
        with name_scope(model.optimizer.name, caller=model.optimizer):
            model.optimizer.build(model.trainable_variables)

    def train(*data: Any) -> Any:
        with sharing.step():
            return model.train_step(data if count > 1 else data[0])

    return train


def _no_signature(what: Any) -> CaptureError:
    name = getattr(what, "__name__", type(what).__name__)
    return CaptureError(
        f"{name} has no signature: give an example of each argument, kf.save_graph(name, {name}, x, y), or "
        "tf.function(input_signature=...)."
    )


def _traced(function: Any, specs: tuple[Any, ...], group: Group) -> Any:
    with collective.recorded(group.rank, group.size, group.begun), hooks.recording(), _stops(group):
        try:
            return function.get_concrete_function(*specs)
        except tf.errors.OpError as error:
            raise CaptureError(f"The function could not be traced: {error.message}") from error


@contextlib.contextmanager
def _stops(group: Group) -> Iterator[None]:
    stop.use(group.wish, group.state)
    try:
        yield
    finally:
        stop.uninstall()


def _refuse(graph: Any, ops: dict[str, int], collectives: int, given: bool) -> None:
    python = [op for op in ops if safety.calls_python(op)]
    if python:
        raise CaptureError(
            f"The graph calls Python ({', '.join(python)}{_line(graph, python)}), which cannot be stored. "
            "Write that part with TensorFlow's own operations instead of tf.py_function or tf.numpy_function."
        )
    changes = [op for op in ops if op.startswith(_CHANGES)]
    if changes and not collectives:
        way = (
            "Give the tf.function itself, which can be traced again, not a trace of it."
            if given
            else "Compute the gradients with tf.GradientTape inside the function, or leave the change out."
        )
        raise CaptureError(
            f"The graph changes variables ({', '.join(changes)}{_line(graph, changes)}), but computes no "
            f"gradients that replicas could put together, so on several replicas it would go wrong. {way}"
        )
    if collectives and (unseeded := _unseeded(graph)):
        raise CaptureError(
            f"The training step draws random numbers without a seed ({unseeded}), so replicas would draw "
            "different ones. Call tf.random.set_seed first, or use a Keras layer or tf.random.stateless_*."
        )


def _line(graph: Any, kinds: list[str]) -> str:
    for operation in graph.get_operations():
        if operation.type in kinds:
            frames = [f for f in operation.traceback if "site-packages" not in f.filename]
            if frames:
                return f", line {frames[-1].lineno} of {frames[-1].filename}"
    return ""


def _unseeded(graph: Any) -> str:
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    drawn = [n for n in nodes if n.op in chance.RANDOM]
    return ", ".join(sorted({n.op for n in drawn if not n.attr["seed"].i and not n.attr["seed2"].i}))


def _resources(concrete: Any, variables: list[tf.Variable]) -> list[Any]:
    """The living owners of tables and the like that the graph holds by their handles."""
    known = {id(v.handle) for v in variables}
    held = [t for t in concrete.captured_inputs if t.dtype == tf.resource and id(t) not in known]
    if not held:
        return []
    owners = {
        id(o.resource_handle): o
        for o in gc.get_objects()
        if isinstance(o, trackable_resource.CapturableResource) and not isinstance(o, type) and _has_handle(o)
    }
    lost = [t for t in held if id(t) not in owners]
    if lost:
        raise CaptureError(
            "The graph uses something inside TensorFlow's runtime that cannot be stored, such as an iterator "
            "or a queue. Pass what comes out of it as an argument instead."
        )
    found = [owners[id(t)] for t in held]
    if filled := sorted({type(o).__name__ for o in found if _has_content(o)}):
        raise CaptureError(
            f"The graph uses a {' and a '.join(filled)}, whose content is in no variable and would be lost. "
            "Use tf.lookup.StaticHashTable, or a variable."
        )
    return found


def _has_content(resource: Any) -> bool:
    """Whether TensorFlow would write its content into a checkpoint, as that of a table that changes."""
    return type(resource)._serialize_to_tensors is not Trackable._serialize_to_tensors


def _has_handle(resource: Any) -> bool:
    return getattr(resource, "_resource_handle", None) is not None
