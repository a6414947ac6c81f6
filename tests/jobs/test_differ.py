"""Programs whose replicas go different ways end in bounded time and say so; slow ones are waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

import jupyter_kf as kf
from jupyter_kf.parallel.stop import ReplicasDiffer

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.gang

_BOUND = 60.0


def rank() -> int:
    here = kf.JobEnvironment.current()
    assert here is not None
    return here.rank


def step_of(width: int = 1) -> Callable[[], float]:
    """A training step of a small model."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(width)])
    model.compile("sgd", "mse")
    x = np.ones((8, 4), "float32")
    return lambda: float(model.train_on_batch(x, x[:, :width]))


def more_steps_on_one(more: int) -> None:
    step = step_of()
    for _ in range(2 + more * rank()):
        step()


def different_steps() -> None:
    one, other = step_of(1), step_of(3)
    one()
    if rank():
        other()
    else:
        one()


def late_steps() -> None:
    """Between the steps one rank needs more time than a lost one has."""
    step = step_of()
    step()
    time.sleep(4 * rank())
    step()


def as_long_as_all_agree() -> int:
    step, made, begin = step_of(), 0, time.monotonic()
    while kf.mean(time.monotonic() - begin + rank() * 0.3) < 0.6:
        step()
        made += 1
    return made


def made_by_rank() -> list[Any]:
    import keras

    keras.utils.set_random_seed(rank())
    return [keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])]


def raises_in_training() -> None:
    step = step_of()
    for made in range(1000):
        if made == 3 and rank() == 1:
            raise ValueError("rank 1 has a bad file")
        step()


@pytest.mark.parametrize("more", [1, -1], ids=["rank 1", "rank 0"])
def test_a_rank_that_makes_more_steps_is_told(more: int) -> None:
    _refused(
        more_steps_on_one, more, says=rf"Replica {int(more < 0)} came to the end of the program.*, line \d+,"
    )


def test_ranks_in_different_steps_are_told() -> None:
    _refused(different_steps, says=r"Replica 0 came to .*test_differ.py, line \d+, while replica 1 came to")


def _refused(work: Callable[..., Any], *args: Any, says: str) -> None:
    with kf.Executor(workers=2) as executor, pytest.raises(kf.JobFailed, match=says) as caught:
        executor.submit(work, *args).result(_BOUND)
    assert isinstance(caught.value.__cause__, ReplicasDiffer)
    assert "kf.mean(" in str(caught.value.__cause__)


def test_a_new_model_that_differs_is_not_taken() -> None:
    with kf.Executor(workers=2) as executor, pytest.raises(kf.JobFailed, match="different values") as caught:
        executor.submit(made_by_rank).result(_BOUND)
    assert isinstance(caught.value.__cause__, ReplicasDiffer)


def test_a_slow_rank_is_waited_for() -> None:
    with kf.Executor(workers=2) as executor:
        executor.submit(late_steps).result(_BOUND)


def test_a_loop_by_the_clock_ends_alike_when_all_decide() -> None:
    with kf.Executor(workers=2) as executor:
        assert executor.submit(as_long_as_all_agree).result(_BOUND) > 0


def test_an_error_on_one_rank_ends_the_training_of_the_others() -> None:
    job = kf.Executor(workers=2).submit(raises_in_training)
    with pytest.raises(kf.JobFailed, match="rank 1 has a bad file") as caught:
        job.result(_BOUND)
    assert isinstance(caught.value.__cause__, ValueError)
    assert job.status.reason.startswith("Rank 1 raised ValueError")
