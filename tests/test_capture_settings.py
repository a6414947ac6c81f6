"""What one cell sets for all that follow is set where they run, and comes back changed."""

from __future__ import annotations

import decimal
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jupyter_kf.capture import settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(settings, "_began", settings._process())
    before = settings.snapshot()
    folder, path, environ = Path.cwd(), list(sys.path), dict(os.environ)
    yield
    settings.restore(before)
    os.chdir(folder)
    sys.path[:] = path
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]


def there(state: dict[str, Any], code: str) -> dict[str, Any]:
    """The settings after `code` in a fresh process that has begun with `state`."""
    program = (
        "import pickle, sys\n"
        f"sys.path[:] = {sys.path!r}\n"
        "from jupyter_kf.capture import settings\n"
        "settings.restore(pickle.load(sys.stdin.buffer))\n"
        f"exec({code!r})\n"
        "sys.stdout.buffer.write(pickle.dumps(settings.snapshot()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(state), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)  # type: ignore[no-any-return]


def test_python_and_numpy(tmp_path: Path) -> None:
    sys.setrecursionlimit(4321)
    decimal.getcontext().prec = 5
    np.set_printoptions(precision=2)
    np.seterr(all="raise")
    warnings.filterwarnings("ignore", "one", UserWarning)
    after = there(
        settings.snapshot(),
        "import decimal, numpy, warnings\n"
        "assert sys.getrecursionlimit() == 4321 and decimal.getcontext().prec == 5\n"
        "assert numpy.get_printoptions()['precision'] == 2 and numpy.geterr()['over'] == 'raise'\n"
        "assert warnings.filters[0][1].pattern == 'one'\n"
        "decimal.getcontext().prec = 7; numpy.seterr(over='ignore')\n"
        "warnings.filterwarnings('error', 'two')",
    )
    settings.restore(after, load=False)
    assert (decimal.getcontext().prec, np.geterr()["over"], np.geterr()["under"]) == (7, "ignore", "raise")
    assert [entry[0] for entry in warnings.filters[:2]] == ["error", "ignore"]


def test_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONE", "1")
    monkeypatch.setattr(settings, "_began", settings._process())
    monkeypatch.delenv("GONE")
    monkeypatch.setenv("MINE", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("/own/modules")
    (tmp_path / "deeper").mkdir()
    after = there(
        settings.snapshot(),
        "import os\n"
        "assert os.environ['MINE'] == '1' and 'GONE' not in os.environ\n"
        f"assert os.getcwd() == {str(tmp_path)!r} and sys.path[0] == '/own/modules'\n"
        "os.environ['MINE'] = '2'; os.environ['NEW'] = 'x'; os.environ['TF_CONFIG'] = 'replica'\n"
        "os.chdir('deeper'); sys.path.append('/more')",
    )
    assert after["os"]["environ"] == {"MINE": "2", "NEW": "x"}, "what the cell has changed, and no more"
    settings.restore(after, load=False)
    assert (os.environ["MINE"], os.environ["NEW"], Path.cwd()) == ("2", "x", tmp_path / "deeper")
    assert sys.path[-1] == "/more" and "TF_CONFIG" not in os.environ


def test_a_folder_of_another_machine_is_left_alone() -> None:
    here = Path.cwd()
    state = settings.snapshot()
    settings.restore(state | {"os": {"environ": {}, "cwd": "/no/such/folder", "path": [], "gone": []}})
    assert Path.cwd() == here


def test_tables_and_plots() -> None:
    pd = pytest.importorskip("pandas")
    plots = pytest.importorskip("matplotlib")
    pd.set_option("display.max_rows", 4)
    plots.rcParams["figure.figsize"] = (3, 2)
    after = there(
        settings.snapshot(),
        "import pandas, matplotlib\n"
        f"assert pandas.get_option('display.max_columns') == {pd.get_option('display.max_columns')}\n"
        "assert pandas.get_option('display.max_rows') == 4\n"
        "assert list(matplotlib.rcParams['figure.figsize']) == [3, 2]\n"
        "pandas.reset_option('display.max_rows'); pandas.set_option('display.precision', 3)\n"
        "matplotlib.rcParams['figure.dpi'] = 55",
    )
    settings.restore(after, load=False)
    assert (pd.get_option("display.max_rows"), pd.get_option("display.precision")) == (60, 3)
    assert (plots.rcParams["figure.dpi"], list(plots.rcParams["figure.figsize"])) == (55, [3, 2])


def test_a_filter_for_a_class_of_the_notebook_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    own = type("Own", (UserWarning,), {"__module__": "__main__"})
    warnings.simplefilter("error", own)
    assert all(entry[2] is not own for entry in settings.snapshot()["warnings"])


def test_a_kernel_has_changed_what_it_was_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_began", {})
    monkeypatch.setenv("MADE_IN_A_CELL", "1")
    assert settings.snapshot()["os"]["environ"]["MADE_IN_A_CELL"] == "1"
    assert "PATH" not in settings.snapshot()["os"]["environ"]


def test_a_kernel_has_still_changed_it_after_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_began", {})
    monkeypatch.setenv("MADE_IN_A_CELL", "1")
    settings.restore(settings.snapshot(), load=False)
    assert settings.snapshot()["os"]["environ"]["MADE_IN_A_CELL"] == "1"
