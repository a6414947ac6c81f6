"""The ``%%kf`` cell in a real kernel: what it shows, leaves, raises, and how it is interrupted."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Kernel

pytestmark = pytest.mark.gang

CARD = "application/vnd.jupyter-kf.job+json"
MODEL = """
import keras, numpy as np
keras.utils.set_random_seed(1)
x = np.random.default_rng(0).normal(size=(45, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)
def make():
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model
model = make()
"""


def test_a_cell_leaves_what_it_would_have_left_here(kernel: Kernel) -> None:
    kernel.run(MODEL)
    kernel.run("kernel_of_first = model.layers[0].kernel")

    sent = kernel.run("%%kf -w 2\nhistory = model.fit(x, y, batch_size=16, epochs=2, verbose=0)\nsteps = 6")
    assert sent.status == "ok", sent.traceback

    kernel.run("twin = make(); here = twin.fit(x, y, batch_size=16, epochs=2, verbose=0)")
    checks = kernel.run(
        "print(model.layers[0].kernel is kernel_of_first, steps, int(model.optimizer.iterations.numpy()))\n"
        "print(max(float(np.abs(a.numpy() - b.numpy()).max()) for a, b in zip("
        "model.weights + model.optimizer.variables, twin.weights + twin.optimizer.variables, strict=True)))\n"
        "print(max(abs(a - b) for a, b in zip(history.history['loss'], here.history['loss'], strict=True)))"
    ).stdout.split()
    assert checks[:3] == ["True", "6", "6"]
    assert float(checks[3]) <= 1e-6
    assert float(checks[4]) <= 1e-6

    kernel.run("model.fit(x, y, epochs=1, verbose=0); twin.fit(x, y, epochs=1, verbose=0)")
    after = kernel.run(
        "print(max(float(np.abs(a - b).max()) for a, b in zip(model.get_weights(), twin.get_weights())))"
    )
    assert float(after.stdout) <= 1e-6


def test_output_comes_as_if_it_had_run_here(kernel: Kernel) -> None:
    cell = (
        "import sys, pandas as pd, matplotlib.pyplot as plt\n"
        "print('to stdout'); print('to stderr', file=sys.stderr)\n"
        "plt.plot([1, 2, 1])\n"
        "!echo from the shell\n"
        "%time total = sum(range(10))\n"
        "import rich; rich.print('[b]by rich[/b]')\n"
        "pd.DataFrame({'a': [1, 2]})"
    )
    here = kernel.run(cell)
    there = kernel.run(f"%%kf -w 2 --quiet\n{cell}")

    assert there.status == "ok", there.traceback
    assert "to stdout\n" in there.stdout and "from the shell" in there.stdout
    assert there.stderr == here.stderr == "to stderr\n"
    assert "Wall time" in there.stdout
    assert there.result == here.result
    assert there.result is not None and "<table" in there.result["text/html"]
    assert [set(d) for d in there.displays] == [set(d) for d in here.displays]
    assert "image/png" in there.displays[-1]
    assert there.displays[0] == here.displays[0] and "by rich" in here.displays[0]["text/html"]
    assert there.order.index("execute_result") < len(there.order) - 1 - there.order[::-1].index(
        "display_data"
    )
    assert kernel.run("total, _.shape, Out[max(Out)] is _").result == {"text/plain": "(45, (2, 1), True)"}


def test_source_is_found_at_its_lines(kernel: Kernel) -> None:
    """What warnings quote, and what AutoGraph and inspect read of functions defined in the cell."""
    cell = (
        "import inspect, warnings\n"
        "double = lambda v: 2 * v\n"
        "half = lambda v: v / 2\n"
        "warnings.warn('careful', stacklevel=1)\n"
        "[inspect.getsource(f) for f in (double, half)]"
    )
    here, there = kernel.run(cell), kernel.run(f"%%kf -w 2 --quiet\n{cell}")
    assert there.status == "ok", there.traceback
    assert there.result == here.result
    assert there.stderr.splitlines()[1:] == here.stderr.splitlines()[1:]
    assert "warnings.warn('careful'" in here.stderr
    assert ":5: UserWarning" in there.stderr


SETTINGS = """
import decimal, logging, os, sys, warnings, numpy as np, pandas as pd, tensorflow as tf
def settings():
    return (
        os.environ.get("OWN"), os.path.basename(os.getcwd()), "/own" in sys.path, decimal.getcontext().prec,
        np.get_printoptions()["precision"], pd.get_option("display.max_rows"), pd.get_option("display.max_columns"),
        warnings.filters[0][:2], logging.getLogger("own").level, len(logging.root.handlers),
        tf.config.optimizer.get_experimental_options().get("constant_folding"), tf.config.functions_run_eagerly(),
        type(get_ipython()).__name__,
    )
os.environ["OWN"] = "1"; os.makedirs("deeper", exist_ok=True); os.chdir("deeper"); sys.path.append("/own")
decimal.getcontext().prec = 5; np.set_printoptions(precision=2); pd.set_option("display.max_rows", 4)
warnings.filterwarnings("ignore"); logging.basicConfig(level=20); logging.getLogger("own").setLevel(10)
tf.config.optimizer.set_experimental_options({"constant_folding": False}); tf.config.run_functions_eagerly(True)
"""
CHANGE = """
os.environ["OWN"] = "2"; os.chdir(".."); sys.path.remove("/own"); decimal.getcontext().prec = 6
np.set_printoptions(precision=3); pd.set_option("display.max_rows", 5); logging.getLogger("own").setLevel(30)
warnings.filterwarnings("error", "own"); tf.config.run_functions_eagerly(False)
"""


def test_settings_go_along_and_come_back(kernel: Kernel) -> None:
    kernel.run(SETTINGS)
    here = kernel.run("settings()").result
    there = kernel.run("%%kf -w 2\nfound = settings()\nos.environ['OWN'] = '2'")
    assert there.status == "ok", there.traceback
    assert kernel.run("found").result == here
    kernel.run("os.environ['OWN'] = '1'; before = os.getcwd()")
    kernel.run(f"%%kf -w 2\n{CHANGE}\nfound = settings()")
    assert kernel.run("found == settings(), os.getcwd() == os.path.dirname(before)").result == {
        "text/plain": "(True, True)"
    }


def test_a_progress_bar_moves_and_updated_displays_update(kernel: Kernel) -> None:
    cell = (
        "%%kf -w 2 -q\n"
        "from tqdm import tqdm\n"
        "from IPython.display import display, HTML\n"
        "for _ in tqdm(range(3)): pass\n"
        "handle = display(HTML('<i>one</i>'), display_id=True)\n"
        "handle.update(HTML('<i>two</i>'))\n"
        "print('a', end='\\r'); print('b')"
    )
    reply = kernel.run(cell)
    assert reply.status == "ok", reply.traceback
    assert "3/3" in reply.stderr and "\r" in reply.stderr
    assert reply.displays[-1]["text/html"] == "<i>one</i>"
    assert reply.updates[-1]["text/html"] == "<i>two</i>"
    assert reply.stdout == "a\rb\n"


def test_the_card_is_there_and_readable_without_any_extension(kernel: Kernel) -> None:
    reply = kernel.run("%%kf -w 2\n1")
    card = reply.displays[0]
    assert card[CARD]["name"] and "job cell-" in card["text/plain"] and "<div>" in card["text/html"]
    assert reply.updates[-1][CARD]["state"] == "SUCCEEDED"
    assert reply.updates[-1][CARD]["applied"] is True


def test_an_exception_is_raised_here_with_the_lines_of_there(kernel: Kernel) -> None:
    kernel.run("def helper(v):\n    return 1 / v")
    reply = kernel.run("%%kf -w 2\nkept = 3\nhelper(0)")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", reply.traceback)
    assert (reply.status, reply.ename, reply.evalue) == ("error", "ZeroDivisionError", "division by zero")
    assert "return 1 / v" in plain and "helper(0)" in plain
    assert re.search(r"-+> 3 helper\(0\)", plain), plain
    assert "magics.py" not in plain and "handle.py" not in plain
    assert kernel.run("kept").result == {"text/plain": "3"}


def test_names_are_deleted_and_rebound(kernel: Kernel) -> None:
    kernel.run(
        "items = [1]; alias = items; gone = 1; count = 0\ndef bump():\n    global count\n    count += 1"
    )
    reply = kernel.run("%%kf -w 2\nitems.append(2)\ndel gone\nbump(); bump()\nfresh = {'items': items}")
    assert reply.status == "ok", reply.traceback
    check = kernel.run("alias, count, 'gone' in globals(), fresh['items'] is alias")
    assert check.result == {"text/plain": "([1, 2], 2, False, True)"}


def test_wrong_options_are_one_clear_line(kernel: Kernel) -> None:
    for line, words in (
        ("--profile a100", "There is no profile 'a100'"),
        ("--workers 0", "between 1 and 99999 workers"),
        ("--workers two", "invalid int value"),
        ("--nmae x", "unrecognized arguments: --nmae x. Did you mean --name?"),
        ("4", "unrecognized arguments: 4. %kf --help shows what there is."),
        ("--name 'Night!'", "'Night!' cannot be a job's name"),
        ("--workers 1000", "1000 workers are too many for this machine"),
    ):
        reply = kernel.run(f"%%kf {line}\n1")
        assert "UsageError" in reply.stderr and words in reply.stderr, (line, reply)
        assert len(reply.stderr.strip().splitlines()) == 1, reply.stderr
        assert not reply.traceback


def test_names_that_only_magics_mention_travel_too(kernel: Kernel) -> None:
    kernel.run("numbers = [1, 2, 3]; word = 'shouted'\ndef double(v):\n    return [2 * n for n in v]")
    reply = kernel.run("%%kf -w 2 -q\n%%time\ndoubled = double(numbers)\n!echo {word} $word")
    assert reply.status == "ok", reply.traceback
    assert "shouted shouted" in reply.stdout and "Wall time" in reply.stdout
    assert kernel.run("doubled").result == {"text/plain": "[2, 4, 6]"}


def test_a_syntax_error_is_one_here_too(kernel: Kernel) -> None:
    reply = kernel.run("%%kf -w 2\nx = (1,\ny = 2")
    assert reply.ename == "SyntaxError"
    assert kernel.run("len(kf.jobs())").result == {"text/plain": "0"}


def test_a_cell_may_await(kernel: Kernel) -> None:
    reply = kernel.run("%%kf -w 2 -q\nimport asyncio\nawait asyncio.sleep(0, result=5)")
    assert reply.result == {"text/plain": "5"}, reply.traceback


def test_what_cannot_travel_is_named_before_anything_starts(kernel: Kernel) -> None:
    kernel.run("settings = {'log': open('log.txt', 'w')}")
    reply = kernel.run("%%kf -w 2\nsettings['log'].write('x')")
    assert "settings['log']" in reply.stderr + reply.evalue, reply
    assert kernel.run("len(kf.jobs())").result == {"text/plain": "0"}
    kernel.run("settings['log'].close()")


def test_what_cannot_come_back_is_named_and_the_rest_is_there(kernel: Kernel) -> None:
    kernel.run(MODEL)
    reply = kernel.run(
        "%%kf -w 2\nmodel.fit(x, y, batch_size=16, verbose=0)\nfound = 1\nhandle = open('log.txt', 'w')"
    )
    assert reply.status == "ok", reply.traceback
    assert "handle cannot come back from the replicas: it is an open file. Using it" in reply.stderr
    check = kernel.run("found, int(model.optimizer.iterations.numpy()), handle")
    assert check.result is not None and check.result["text/plain"].startswith("(1, 3, <lost: handle cannot")
    for use in ("handle.write('x')", "%%kf -w 2\nprint(handle)"):
        reply = kernel.run(use)
        assert reply.status == "error" and re.search(
            "handle cannot (come|travel)", reply.evalue + reply.stderr
        ), reply


def test_a_tape_that_stays_is_named(kernel: Kernel) -> None:
    reply = kernel.run(
        "%%kf -w 2\nimport tensorflow as tf\nv = tf.Variable(2.0)\n"
        "with tf.GradientTape(persistent=True) as tape:\n    square = v * v\n"
        "with tf.GradientTape() as used:\n    cube = v * v * v\n"
        "slopes = [float(t.gradient(y, v)) for t, y in ((tape, square), (used, cube))]"
    )
    assert reply.status == "ok" and "what a tape has recorded stays in its process" in reply.stderr, reply
    assert kernel.run("slopes").result == {"text/plain": "[4.0, 12.0]"}
    assert kernel.run("tape.gradient(square, v)").ename == "LostError"
    assert kernel.run("used.gradient(cube, v)").ename == "RuntimeError"


def test_a_value_that_cannot_travel_is_still_shown(kernel: Kernel) -> None:
    reply = kernel.run("%%kf -w 2 -q\nimport threading\nthreading.current_thread()")
    assert reply.status == "ok", reply.traceback
    assert reply.result is not None and "Thread" in reply.result["text/plain"]


def test_help_has_examples(kernel: Kernel) -> None:
    reply = kernel.run("%kf --help")
    assert "--workers" in reply.stdout and "%%kf --detach --name night" in reply.stdout


TRAIN_LONG = (
    "%%kf -w 2\n"
    "class Tell(keras.callbacks.Callback):\n"
    "    def on_train_batch_end(self, batch, logs=None):\n"
    "        print('step', self.model.optimizer.iterations.numpy(), flush=True)\n"
    "model.fit(x, y, batch_size=15, epochs=100_000, verbose=0, callbacks=[Tell()])\n"
    "finished = True"
)


def test_interrupt_brings_back_what_was_learned(kernel: Kernel) -> None:
    kernel.run(MODEL)
    request = kernel.start(TRAIN_LONG)
    kernel.finish(request, until=lambda reply: "step 3" in reply.stdout)
    kernel.interrupt()
    reply = kernel.finish(request, timeout=30)
    assert reply.ename == "KeyboardInterrupt"

    steps = int(kernel.run("print(int(model.optimizer.iterations.numpy()))").stdout)
    assert steps >= 3
    kernel.run(
        "twin = make()\n"
        f"class Stop(keras.callbacks.Callback):\n"
        f"    def on_train_batch_end(self, batch, logs=None):\n"
        f"        if self.model.optimizer.iterations.numpy() == {steps}: raise KeyboardInterrupt\n"
        "try: twin.fit(x, y, batch_size=15, epochs=100_000, verbose=0, callbacks=[Stop()])\n"
        "except KeyboardInterrupt: pass"
    )
    same = kernel.run(
        "print(max(float(np.abs(a - b).max()) for a, b in zip(model.get_weights(), twin.get_weights())))"
    )
    assert float(same.stdout) <= 1e-6
    assert kernel.run("'finished' in globals(), kf.jobs()[0].status.state.value").result == {
        "text/plain": "(False, 'CANCELLED')"
    }


def test_interrupt_of_a_cell_that_does_not_train(kernel: Kernel) -> None:
    request = kernel.start(
        "%%kf -w 2\nimport time\nbefore = 1\nprint('up', flush=True)\ntime.sleep(600)\nafter = 1"
    )
    kernel.finish(request, until=lambda reply: "up" in reply.stdout)
    kernel.interrupt()
    reply = kernel.finish(request, timeout=30)
    assert reply.ename == "KeyboardInterrupt"
    assert kernel.run("before, 'after' in globals()").result == {"text/plain": "(1, False)"}


def test_a_second_interrupt_gives_up_and_cancels(kernel: Kernel) -> None:
    stubborn = (
        "%%kf -w 2\n"
        "import time\n"
        "print('up', flush=True)\n"
        "while True:\n"
        "    try:\n"
        "        time.sleep(600)\n"
        "    except KeyboardInterrupt:\n"
        "        print('no', flush=True)"
    )
    request = kernel.start(stubborn)
    kernel.finish(request, until=lambda reply: "up" in reply.stdout)
    kernel.interrupt()
    kernel.finish(request, until=lambda reply: "no" in reply.stdout)
    kernel.interrupt()
    reply = kernel.finish(request, timeout=30)
    assert reply.ename == "KeyboardInterrupt"
    assert kernel.run("kf.jobs()[0].status.state.value").result == {"text/plain": "'CANCELLED'"}


def test_a_detached_job_is_found_and_applied_by_name(kernel: Kernel) -> None:
    kernel.run(MODEL)
    sent = kernel.run("%%kf -w 2 --detach --name night\nmodel.fit(x, y, epochs=2, verbose=0)")
    assert sent.result is not None and sent.result[CARD]["name"] == "night"
    kernel.run("kf.job('night').wait(60)")
    assert kernel.run("int(model.optimizer.iterations.numpy())").result == {"text/plain": "0"}
    kernel.run("kf.job('night').apply()")
    assert kernel.run("int(model.optimizer.iterations.numpy())").result == {"text/plain": "4"}


def test_apply_refuses_when_the_live_objects_changed(kernel: Kernel) -> None:
    kernel.run(MODEL)
    kernel.run("%%kf -w 2 --detach --name night\nmodel.fit(x, y, epochs=2, verbose=0)")
    kernel.run("kf.job('night').wait(60); model.fit(x, y, verbose=0)")
    refused = kernel.run("kf.job('night').apply()")
    assert refused.ename == "SpecError" and "model" in refused.evalue and "force=True" in refused.evalue
    kernel.run("kf.job('night').apply(force=True)")
    assert kernel.run("int(model.optimizer.iterations.numpy())").result == {"text/plain": "4"}


def test_another_kernel_reattaches(kernels: Callable[[], Kernel]) -> None:
    first, second = kernels(), kernels()
    first.run("%%kf -w 2 --detach --name shared\nprint('from the job')\nanswer = 42\nanswer")
    first.run("kf.job('shared').wait(60)")
    assert second.run("[job.name for job in kf.jobs()]").result == {"text/plain": "['shared']"}
    assert second.run("kf.job('shared').result(60)").result == {"text/plain": "42"}
    assert second.run("print(kf.job('shared').logs())").stdout == "from the job\n42\n\n"


def test_losing_the_kernel_only_detaches(kernels: Callable[[], Kernel], tmp_path: object) -> None:
    first = kernels()
    request = first.start(
        "%%kf -w 2 -n lives\nimport time, pathlib\nprint('up', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.05)\nanswer = 42\nanswer"
    )
    first.finish(request, until=lambda reply: "up" in reply.stdout)
    first.manager.shutdown_kernel(now=True)

    second = kernels()
    assert second.run("kf.job('lives').status.state.value").result == {"text/plain": "'RUNNING'"}
    (tmp_path / "go").touch()  # type: ignore[operator]
    started = time.monotonic()
    assert second.run("kf.job('lives').result(60)").result == {"text/plain": "42"}
    assert time.monotonic() - started < 60
