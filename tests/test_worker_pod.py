"""A replica's first process as a pod runs it, in a process of its own: log, last words, exit code."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys

import pytest

from jupyter_kf import logs
from jupyter_kf.capture import pack
from jupyter_kf.capture.call import Call
from jupyter_kf.spec import JobSpec, JobState, Resources
from jupyter_kf.store import OUTCOME, PAYLOAD, SPEC, STATUS, SUMMARY, job_path, log_path


@pytest.fixture
def start(store, tmp_path):
    """Start the replica of a job that runs a few lines of Python."""
    started = []

    def start_replica(
        code: str, *, damage: bool = False, again: bool = False, **more: object
    ) -> subprocess.Popen[str]:
        spec = JobSpec("a", own_strategy=True, **more)  # type: ignore[arg-type]
        store.put_json(job_path("a", SPEC), spec.to_dict())
        folder = store.local(job_path("a", PAYLOAD))
        folder.mkdir(exist_ok=again)
        # As of a kernel that has not imported TensorFlow, whatever this process has.
        pack({"work": Call(exec, (code, {})), "ambient": {"random": random.getstate()}}, folder)
        for name in store.list(job_path("a", PAYLOAD)) if damage else ():
            store.put(job_path("a", PAYLOAD, name), b"x")
        own = {"JOB_COMPLETION_INDEX": "0", "JUPYTER_KF_STORE": store.url, "JUPYTER_KF_PRELOAD": ""}
        own["JUPYTER_KF_LAST_WORDS"] = str(tmp_path / "words")
        argv = [sys.executable, "-m", "jupyter_kf.worker", "a"]
        process = subprocess.Popen(
            argv, env=os.environ | own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start_replica
    for process in started:
        process.kill()
        process.communicate()


def words(tmp_path):
    return json.loads((tmp_path / "words").read_text())


def test_a_replica_that_is_done(start, store, tmp_path):
    process = start("print('done')")
    printed, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert words(tmp_path) == {"reason": "", "state": JobState.SUCCEEDED, "final": True}
    assert logs.as_text(logs.read(store.get(log_path("a", 0)))) == "done\n"
    assert "done\n" in printed  # for whoever collects the logs of pods
    assert store.has(job_path("a", OUTCOME, SUMMARY))


def test_an_error_of_the_code_is_final(start, tmp_path):
    process = start("raise ValueError('wrong')")
    process.communicate(timeout=60)

    assert process.returncode == 1
    assert words(tmp_path) == {"reason": "ValueError: wrong.", "state": JobState.FAILED, "final": True}


def test_a_rank_that_is_killed(start, tmp_path):
    process = start("import os; os.kill(os.getpid(), 9)")
    process.communicate(timeout=60)

    assert process.returncode == 137
    assert words(tmp_path)["reason"].startswith("was killed (SIGKILL)")


def test_a_replica_that_is_told_to_end(start, store, tmp_path, eventually):
    process = start("import time; print('here', flush=True); time.sleep(600)")
    eventually(lambda: store.has(log_path("a", 0)) and b"here" in store.get(log_path("a", 0)), "it starts")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode == 143
    assert words(tmp_path) == {"reason": "was told to end"}


def test_peers_that_do_not_come(start, tmp_path):
    process = start("pass", replicas=2, start_timeout=0.3)
    process.communicate(timeout=60)

    assert process.returncode == 1
    assert "replica 1 did not come within 1.5 s" in words(tmp_path)["reason"]


def test_a_payload_that_is_damaged_is_told(start, store, tmp_path):
    process = start("pass", damage=True)
    process.communicate(timeout=60)

    assert process.returncode == 1
    assert store.get_json(job_path("a", STATUS))["failure"]["rank"] == 0
    assert words(tmp_path)["reason"]


def test_a_replica_has_a_rank_for_each_gpu(start, store):
    code = "import jupyter_kf as kf, os\n"
    code += "print(kf.JobEnvironment.current().rank, os.environ['CUDA_VISIBLE_DEVICES'])"
    process = start(code, resources=Resources(accelerator="nvidia.com/gpu", accelerators=2))
    process.communicate(timeout=60)

    assert process.returncode == 0
    said = [logs.as_text(logs.read(store.get(log_path("a", rank)))) for rank in range(2)]
    assert said == ["0 0\n", "1 1\n"]


def test_a_job_whose_work_was_done_by_an_earlier_pod_is_not_run_again(start, store, tmp_path):
    start("print('once')").communicate(timeout=60)
    process = start("print('twice')", again=True)
    printed, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "twice" not in printed
    assert words(tmp_path) == {"reason": "", "state": JobState.SUCCEEDED, "final": True}
