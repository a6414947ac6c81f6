"""Callbacks: what they decide is the same on every replica, what they write is written once."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from jupyter_kf.parallel import agreement, collective
from tests.gang.cases_fit import compiled
from tests.gang.scenes import fitted, table


def callbacks_decide() -> dict[str, Any]:
    model = compiled()
    made = [
        keras.callbacks.EarlyStopping("loss", patience=1, min_delta=0.05, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.2, factor=0.5),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        keras.callbacks.TerminateOnNaN(),
    ]
    return fitted(model, callbacks=made, epochs=6)


def callbacks_write() -> dict[str, Any]:
    """Every replica names the same files; what is there afterwards is what one process leaves."""
    folder = _shared_folder("callbacks")
    folder.mkdir(exist_ok=True)
    model = compiled()
    made = [
        keras.callbacks.ModelCheckpoint(folder / "best.keras", monitor="loss", save_best_only=True),
        keras.callbacks.ModelCheckpoint(folder / "w{epoch}.weights.h5", save_weights_only=True),
        keras.callbacks.CSVLogger(folder / "log.csv"),
        keras.callbacks.BackupAndRestore(folder / "backup"),
    ]
    result = fitted(model, callbacks=made)
    model.save(folder / "end.keras")
    loaded = keras.models.load_model(folder / "end.keras")
    there = sorted(p.name for p in folder.iterdir())
    log = (folder / "log.csv").read_text()
    agreement.decision(True)  # all are here
    shutil.rmtree(folder, ignore_errors=True)
    return {
        shape: part | {"loaded": loaded.get_weights(), "there": there, "lines": log.count("\n")}
        for shape, part in result.items()
    }


def _shared_folder(name: str) -> Path:
    """The same folder on every replica, new in each case."""
    first = collective.add(tf.constant(0 if collective.rank() else os.getpid()))
    return Path(tempfile.gettempdir()) / f"kf-{name}-{int(first)}"


def tensorboard() -> dict[str, Any]:
    """The scalars that are written, each once."""
    folder = _shared_folder("board")
    result = fitted(compiled(), callbacks=[keras.callbacks.TensorBoard(folder)], validation_data=table(9))
    agreement.decision(True)  # all are here
    found = []
    for path in sorted(folder.rglob("events.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            found += [f"{path.parent.name} {value.tag} {event.step}" for value in event.summary.value]
    agreement.decision(True)  # all are here
    shutil.rmtree(folder, ignore_errors=True)
    return {shape: part | {"written": sorted(found)} for shape, part in result.items()}


class Own(keras.callbacks.Callback):
    """Looks at batches, changes the learning rate and a weight, and ends the training."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(float(logs["loss"]))
        if batch == 1:
            self.model.optimizer.learning_rate = 0.5 * float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        bias = self.model.layers[-1].bias
        bias.assign(bias * 0.5)
        self.seen.append(self.model.evaluate(*table(9), verbose=0)[0])
        self.model.stop_training = epoch == 2


def callback_own() -> dict[str, Any]:
    own = Own()
    result = fitted(compiled(), callbacks=[own], epochs=5)
    return {shape: part | {"seen": own.seen} for shape, part in result.items()}
