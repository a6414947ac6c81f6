"""Takes Keras's ``fit`` up at the step of a checkpoint, by passing over the steps that were trained before.

The program runs again from its start. The ``fit`` that was under way reads its data and tells its callbacks
what each step gave, as it did before, but computes only its first step, which makes all variables; at the
step of the checkpoint they get their values. What could not be made again in this way is refused when the
training begins: callbacks that may look at the weights, random operations with a state of their own.

This module does not know where checkpoints lie.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state
from tensorflow.python.checkpoint.graph_view import ObjectGraphView

from .. import chance
from ..errors import JobError, SpecError
from . import disk, report, seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

State = dict[str, Any]

_KNOWN = (
    keras.callbacks.History,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.CSVLogger,
    keras.callbacks.EarlyStopping,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.TensorBoard,
    keras.callbacks.TerminateOnNaN,
)


@dataclass
class Keeper:
    """Who keeps the checkpoints: one every ``every`` seconds by ``save``, which only rank 0 has.

    ``saved`` is the last of an earlier attempt; ``taken_up`` is called once the training stands where it
    stood.
    """

    every: float
    save: Callable[[State], None] | None = None
    saved: State | None = None
    taken_up: Callable[[], None] = lambda: None
    seed: str = ""
    fits: int = 0
    wanted: bool = False


@dataclass
class _Course:
    """One ``fit``: the logs of its steps so far, and the checkpoint that it is to reach."""

    model: Any
    number: int
    ahead: State | None
    last: float = field(default_factory=time.monotonic)
    steps: list[Any] = field(default_factory=list)
    tests: list[Any] = field(default_factory=list)


_keeper: Keeper | None = None
_course: _Course | None = None


def use(keeper: Keeper | None) -> None:
    """Make and use checkpoints from now on; every replica does so before the program runs."""
    global _keeper
    _keeper = keeper
    if keeper is None:
        return
    if keeper.saved:
        seeds.take(keeper.saved["seed"])
    keeper.seed = seeds.key()


def keeper() -> Keeper | None:
    """Who keeps the checkpoints, for training that is not Keras's."""
    return _keeper


def want() -> None:
    """Ask for a checkpoint at the end of this step. Safe from any thread."""
    if _keeper is not None:
        _keeper.wanted = True


def passing_over() -> bool:
    """Whether steps are passed over, so that files written by them are there already."""
    return _course is not None and _course.ahead is not None


def fit_hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """``TensorFlowTrainer.fit``."""

    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _keeper is None or _course is not None:
            return original(self, *args, **kwargs)
        _keeper.fits += 1
        with _under_way(self, _keeper):
            return original(self, *args, **kwargs)

    return fit


@contextlib.contextmanager
def _under_way(model: Any, keeper: Keeper) -> Iterator[None]:
    global _course
    saved = keeper.saved
    _course = _Course(model, keeper.fits, saved if saved and saved["fit"] == keeper.fits else None)
    try:
        yield
        if _course.ahead is not None:
            raise JobError(
                "The training ended before its checkpoint: the program does not repeat what it did."
            )
    finally:
        _course = None


def function_hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """``TensorFlowTrainer._make_function``: what it makes computes a step, or passes it over."""

    def make(self: Any, step: Any) -> Callable[[Any], Any]:
        function, training = original(self, step), step == self.train_step

        def call(iterator: Any) -> Any:
            course = _course
            if course is None or course.model is not self:
                return function(iterator)
            logs = _logs(course, function, iterator, training)
            (course.steps if training else course.tests).append(logs)
            return logs

        return call

    return make


def _logs(course: _Course, function: Callable[[Any], Any], iterator: Any, training: bool) -> Any:
    if course.ahead is None:
        return function(iterator)
    if training and not course.steps:
        function(iterator)
    else:
        next(iterator)
        with contextlib.suppress(StopIteration, tf.errors.OutOfRangeError):
            for _ in range(course.model.steps_per_execution - 1):
                next(iterator)
    known, done = ("steps", course.steps) if training else ("tests", course.tests)
    return course.ahead[known][len(done)]


def metrics_hook(original: Callable[..., Any]) -> Callable[..., Any]:
    """``Trainer._get_metrics_result_or_logs``: what was logged, as the metrics have not seen the steps."""

    def result(self: Any, logs: Any) -> Any:
        return logs if passing_over() else original(self, logs)

    return result


def begin_hook(original: Callable[..., None]) -> Callable[..., None]:
    """``CallbackList.on_train_begin``: refuses what could not be made again."""

    def begin(self: Any, *args: Any, **kwargs: Any) -> None:
        if _course is not None:
            if _course.model.run_eagerly:
                raise SpecError("checkpoint= does not go with run_eagerly=True. Leave out one of the two.")
            for callback in self.callbacks:
                _check(callback)
        original(self, *args, **kwargs)

    return begin


def _check(callback: Any) -> None:
    histograms = isinstance(callback, keras.callbacks.TensorBoard) and callback.histogram_freq
    ours = type(callback).__module__.startswith(__package__)
    if histograms or not (ours or type(callback) in _KNOWN):
        raise SpecError(
            f"checkpoint= does not go with the callback {type(callback).__name__}: it may look at the "
            "weights of steps that are passed over when the training is taken up. Leave out one of the two."
        )


def check_graph(graph: Any) -> None:
    """Refuses a compiled step with random numbers whose state is in no variable."""
    if _course is None:
        return
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for f in definition.library.function for node in f.node_def)]
    if found := sorted({node.op for node in nodes} & chance.RANDOM):
        raise SpecError(
            f"checkpoint= does not go with the random operation {found[0]}, whose state cannot be kept. "
            "Draw with keras.random and a SeedGenerator, tf.random.Generator or tf.random.stateless_*."
        )


def batch_hook(original: Callable[..., None]) -> Callable[..., None]:
    """``CallbackList.on_train_batch_end``: the place between two steps."""

    def ended(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if _keeper is None or _course is None:
            return
        if _course.ahead is not None:
            if len(_course.steps) == len(_course.ahead["steps"]):
                _take_up(_keeper, _course, self.callbacks)
        elif _keeper.save and (_keeper.wanted or time.monotonic() - _course.last >= _keeper.every):
            with disk.by_each():
                _keeper.save(_state(_keeper, _course, self.callbacks))
            _keeper.wanted, _course.last = False, time.monotonic()

    return ended


def _state(keeper: Keeper, course: _Course, callbacks: list[Any]) -> State:
    return {
        "fit": course.number,
        "steps": tf.nest.map_structure(np.asarray, course.steps),
        "tests": tf.nest.map_structure(np.asarray, course.tests),
        "variables": [np.array(v) for v in _variables(course.model)],
        "best": [c.best_weights for c in _stopping(callbacks)],
        "seed": keeper.seed,
    }


def _stopping(callbacks: list[Any]) -> list[Any]:
    return [c for c in callbacks if isinstance(c, keras.callbacks.EarlyStopping)]


def _variables(model: Any) -> list[Any]:
    """All that the step changes, in an order that is the same in every process."""
    nodes = ObjectGraphView(model).breadth_first_traversal()[0]
    drawn = global_state.get_global_attribute("global_seed_generator")
    found = [node for node in nodes if isinstance(node, tf.Variable | keras.Variable)]
    # Seed generators and metrics are in no graph of TensorFlow's.
    found += [*model.variables, *model.metrics_variables, *([drawn.state] if drawn is not None else [])]
    bare = [v.value if isinstance(v, keras.Variable) else v for v in found]
    return list({id(variable): variable for variable in bare}.values())


def _take_up(keeper: Keeper, course: _Course, callbacks: list[Any]) -> None:
    assert course.ahead is not None
    state, variables = course.ahead, _variables(course.model)
    if [v.shape for v in variables] != [tuple(value.shape) for value in state["variables"]]:
        raise JobError("The checkpoint does not fit the model: the program does not repeat what it did.")
    for variable, value in zip(variables, state["variables"], strict=True):
        variable.assign(value)
    for callback, best in zip(_stopping(callbacks), state["best"], strict=True):
        callback.best_weights = best
    course.ahead, keeper.saved = None, None
    with disk.by_each():
        keeper.taken_up()
    report.note(f"Taken up at step {len(course.steps)} of fit number {course.number}.")
