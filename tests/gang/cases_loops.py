"""Custom steps and loops: tapes of all kinds, several optimizers, second derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

import jupyter_kf.parallel as kf
from tests.gang.scenes import BATCH, ROWS, classifier, numbers, table

if TYPE_CHECKING:
    from collections.abc import Callable

cross = tf.nn.sparse_softmax_cross_entropy_with_logits


def looped(
    variables: list[Any],
    optimizer: Any,
    step: Callable[[Any, Any], Any],
    make: Callable[[int], Any] = table,
    graph: bool = True,
) -> dict[str, Any]:
    """Runs ``step(x, y)`` over the batches of each shape; compares variables, slots and what it returns."""
    step, result = (tf.function(step, reduce_retracing=True) if graph else step), {}
    for shape, rows in ROWS.items():
        dataset = kf.distribute(tf.data.Dataset.from_tensor_slices(make(rows)).batch(BATCH))
        returned = [tf.nest.map_structure(np.asarray, step(x, y)) for x, y in dataset]
        result[shape] = {
            "weights": [np.asarray(v) for v in variables],
            "slots": [np.asarray(v) for v in optimizer.variables] if optimizer else [],
            "returned": returned,
        }
    return result


def simple(reduce: str = "mean", graph: bool = True) -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    model = classifier()
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)

    def losses(each: Any) -> Any:
        if reduce == "average":
            return tf.nn.compute_average_loss(each, global_batch_size=BATCH)
        return {"mean": tf.reduce_mean, "sum": tf.reduce_sum}[reduce](each)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = losses(cross(y, model(x, training=True)))
        found = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(found, model.trainable_variables, strict=True))
        return loss

    return looped(model.trainable_variables, optimizer, step, graph=graph)


def noise() -> dict[str, Any]:
    """Random numbers go on from call to call: the first trace, which makes the slots, is not run either."""
    keras.utils.set_random_seed(3)
    model = classifier()
    optimizer = keras.optimizers.Adam(0.01)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(x + 0.1 * tf.random.normal(tf.shape(x)), training=True)
            loss = tf.reduce_mean(cross(y, logits))
        found = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(found, model.trainable_variables, strict=True))
        return loss

    return looped(model.trainable_variables, optimizer, step)


def tf_gradients() -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    w = tf.Variable(tf.random.stateless_normal([6, 3], [1, 2]))
    model = kf.distribute(lambda x: x @ w)

    def step(x: Any, y: Any) -> Any:
        loss = tf.reduce_mean(cross(y, model(x)))
        w.assign_sub(0.1 * tf.gradients(loss, w)[0])
        return loss

    return looped([w], None, step)


def raw() -> dict[str, Any]:
    w = tf.Variable(tf.random.stateless_normal([6, 3], [1, 2]))

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(cross(y, x @ w))
        w.assign_sub(0.1 * tape.gradient(loss, w))
        return kf.mean(loss)

    return looped([w], None, step)


def marked_function() -> dict[str, Any]:
    w = tf.Variable(tf.random.stateless_normal([6, 3], [1, 2]))
    model = kf.distribute(lambda x: tf.tanh(x @ w))

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(cross(y, model(x)))
        w.assign_sub(0.01 * tape.gradient(loss, w))
        return loss

    return looped([w], None, step)


def persistent() -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    model = classifier()
    optimizer = keras.optimizers.Adam(0.01)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape(persistent=True) as tape:
            logits = model(x)
            a, b = tf.reduce_mean(cross(y, logits)), tf.reduce_mean(logits**2)
        first, second = (
            tape.gradient(a, model.trainable_variables),
            tape.gradient(b, model.trainable_variables),
        )
        optimizer.apply(
            [tf.clip_by_norm(f, 0.3) + 0.1 * s for f, s in zip(first, second, strict=True)],
            model.trainable_variables,
        )
        return a, b

    return looped(model.trainable_variables, optimizer, step)


def second_derivatives() -> dict[str, Any]:
    """A physics-style loss: derivatives of the model with respect to its input, twice."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
    )
    optimizer = keras.optimizers.Adam(0.01)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    u = model(x)
                slope = inner.gradient(u, x)
            curve = outer.gradient(slope, x)
            loss = tf.reduce_mean((curve + u - y) ** 2) + tf.reduce_mean(slope**2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return looped(model.trainable_variables, optimizer, step, numbers)


def maml() -> dict[str, Any]:
    """The gradient of a loss after a step along another gradient."""
    keras.utils.set_random_seed(3)
    w = tf.Variable(tf.random.stateless_normal([6, 3], [1, 2]))
    net = classifier()
    optimizer = keras.optimizers.SGD(0.1)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                first = tf.reduce_mean(cross(y, net(x) + x @ w))
            moved = w - 0.5 * inner.gradient(first, w)
            loss = tf.reduce_mean(cross(y, net(x) + x @ moved))
        found = outer.gradient(loss, [w, *net.trainable_variables])
        optimizer.apply(found, [w, *net.trainable_variables])
        return first, loss

    return looped([w, *net.trainable_variables], optimizer, step)


def gradient_of_gradient() -> dict[str, Any]:
    """A penalty on the gradient's own norm: the average itself is differentiated."""
    keras.utils.set_random_seed(3)
    net = classifier()
    optimizer = keras.optimizers.SGD(0.1)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                first = tf.reduce_mean(cross(y, net(x)))
            penalty = tf.add_n([tf.reduce_sum(g**2) for g in inner.gradient(first, net.trainable_variables)])
            loss = first + 0.3 * penalty
        optimizer.apply(outer.gradient(loss, net.trainable_variables), net.trainable_variables)
        return first, loss

    return looped(net.trainable_variables, optimizer, step)


def jacobian() -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    net = classifier()
    w = net.trainable_variables[0]

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            out = tf.reduce_mean(net(x), 0)
        found = tape.jacobian(out, w.value)
        w.value.assign_sub(0.1 * tf.reduce_sum(found, 0))
        return found

    return looped([w], None, step)


def saliency() -> dict[str, Any]:
    """Derivatives with respect to the input come back whole."""
    keras.utils.set_random_seed(3)
    net = classifier()

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(cross(y, net(x)))
        return tape.gradient(loss, x)

    return looped(net.trainable_variables, None, step)


def gradient_of_output() -> dict[str, Any]:
    """A derivative with respect to one output of a model of another output of it."""
    keras.utils.set_random_seed(3)
    a = keras.Input((6,))
    hidden = keras.layers.Dense(5, activation="tanh")(a)
    net = keras.Model(a, [hidden, keras.layers.Dense(3)(hidden)])

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            hidden, out = net(x)
            best = out[:, 0]
        return tape.gradient(best, hidden)

    return looped(net.trainable_variables, None, step)


def loop_in_graph() -> dict[str, Any]:
    """Several steps in one graph, with a while loop and a condition on the loss."""
    keras.utils.set_random_seed(3)
    net = classifier()
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(net.trainable_variables)

    def step(x: Any, y: Any) -> Any:
        loss = tf.constant(0.0)
        for _ in tf.range(3):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(cross(y, net(x)))
            if loss > 0.2:
                optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
        return loss

    return looped(net.trainable_variables, optimizer, step)


def sparse_gradients() -> dict[str, Any]:
    keras.utils.set_random_seed(3)
    emb = tf.Variable(tf.random.stateless_normal([11, 4], [1, 2]))
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    optimizer = keras.optimizers.Adagrad(0.1)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(cross(y, net(tf.gather(emb, tf.cast(tf.abs(x[:, 0]) * 3, tf.int32)))))
        found = tape.gradient(loss, [emb, *net.trainable_variables])
        optimizer.apply(found, [emb, *net.trainable_variables])
        return loss

    return looped([emb, *net.trainable_variables], optimizer, step)


def own_accumulation() -> dict[str, Any]:
    """The user sums gradients of two halves before applying them."""
    keras.utils.set_random_seed(3)
    net = classifier()
    optimizer = keras.optimizers.SGD(0.1, global_clipnorm=0.5)

    def step(x: Any, y: Any) -> Any:
        sums = [tf.zeros_like(v) for v in net.trainable_variables]
        for part in (slice(None, None, 2), slice(0, 1)):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(cross(y[part], net(x[part])))
            sums = [s + g for s, g in zip(sums, tape.gradient(loss, net.trainable_variables), strict=True)]
        optimizer.apply(sums, net.trainable_variables)
        return loss

    return looped(net.trainable_variables, optimizer, step)
