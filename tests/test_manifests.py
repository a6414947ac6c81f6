"""The objects of a job, to the last field, and with values that want to break out of them."""

from __future__ import annotations

import json

import pytest
import yaml

from jupyter_kf.backends import manifests
from jupyter_kf.backends.placement import Placement
from jupyter_kf.names import label_value
from jupyter_kf.profiles import Profile
from jupyter_kf.spec import JobSpec, Resources

HOSTILE = (
    "$(reboot)",
    "`id`; rm -rf / #",
    "'\"\\",
    "a: b\n- c\n---\nkind: Pod",
    "{{ x }} %s ${HOME}",
    "\x00\x1b[2J\u2028\ufeff",
    "!!python/object/apply:os.system [id]",
    "名前 ñ 🙂",
    "yes",
    "0x10",
)


@pytest.fixture
def spec():
    return JobSpec("digits-7f3a", replicas=2, user="Ana María", notebook="a b.ipynb", cell=3, created=1.5)


@pytest.fixture
def place():
    home = {"name": "home", "persistentVolumeClaim": {"claimName": "claim-ana"}}
    return Placement(
        image="registry.example/notebook:1",
        python="/opt/conda/bin/python",
        store="/home/jovyan/.local/share/jupyter/jupyter_kf",
        user=1000,
        group=100,
        env={"HOME": "/home/jovyan"},
        volumes=(home,),
        mounts=({"name": "home", "mountPath": "/home/jovyan"},),
    )


def test_the_job_to_the_last_field(spec, place):
    labels = {
        "jupyter-kf/job": "digits-7f3a",
        "app.kubernetes.io/managed-by": "jupyter-kf",
        "jupyter-kf/user": label_value("Ana María"),
    }
    job = manifests.job(spec, place)

    assert job.pop("metadata") == {
        "name": "digits-7f3a",
        "labels": labels,
        "annotations": {"jupyter-kf/spec": json.dumps(spec.to_dict())},
    }
    pod = job["spec"]["template"]["spec"]
    container = pod.pop("containers")[0]
    assert job == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {
            "completionMode": "Indexed",
            "completions": 2,
            "parallelism": 2,
            "backoffLimit": 6,
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": 604800,
            "successPolicy": {"rules": [{"succeededIndexes": "0"}]},
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "Ignore",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    },
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": "replica", "operator": "In", "values": [1, 2, 137]},
                    },
                ]
            },
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "subdomain": "digits-7f3a",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "terminationGracePeriodSeconds": 30,
                    "tolerations": [
                        {
                            "key": f"node.kubernetes.io/{what}",
                            "operator": "Exists",
                            "effect": "NoExecute",
                            "tolerationSeconds": 30,
                        }
                        for what in ("not-ready", "unreachable")
                    ],
                    "securityContext": {
                        "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"},
                        "runAsUser": 1000,
                        "runAsGroup": 100,
                        "fsGroup": 100,
                    },
                    "volumes": [
                        {"name": "scratch", "emptyDir": {}},
                        {"name": "shm", "emptyDir": {"medium": "Memory"}},
                        {"name": "home", "persistentVolumeClaim": {"claimName": "claim-ana"}},
                    ],
                },
            },
        },
    }
    assert container == {
        "name": "replica",
        "image": "registry.example/notebook:1",
        "command": ["/opt/conda/bin/python", "-m", "jupyter_kf.worker", "digits-7f3a"],
        "env": [
            {"name": "HOME", "value": "/home/jovyan"},
            {"name": "PYTHONUNBUFFERED", "value": "1"},
            {"name": "PYTHONHASHSEED", "value": "0"},
            {"name": "JUPYTER_KF_STORE", "value": "/home/jovyan/.local/share/jupyter/jupyter_kf"},
        ],
        "ports": [{"name": "tensorflow", "containerPort": 2222}],
        "readinessProbe": {"tcpSocket": {"port": 2221}, "periodSeconds": 1, "failureThreshold": 30},
        "resources": {},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": "/tmp"},
            {"name": "shm", "mountPath": "/dev/shm"},
            {"name": "home", "mountPath": "/home/jovyan"},
        ],
    }


def test_the_service_goes_when_the_job_goes(spec):
    service = manifests.service(spec, "uid-1")

    assert service["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": "digits-7f3a",
            "uid": "uid-1",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert service["spec"] == {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {"batch.kubernetes.io/job-name": "digits-7f3a"},
        "ports": [{"name": "tensorflow", "port": 2222}],
    }


def test_resources_are_promised_and_kept(place):
    gpus = Resources(cpu=1.5, memory=2**31, accelerator="nvidia.com/gpu", accelerators=2)
    given = _container(manifests.job(JobSpec("a", resources=gpus), place))["resources"]

    amounts = {"cpu": "1500m", "memory": "2147483648", "nvidia.com/gpu": "2"}
    assert given == {"requests": amounts, "limits": amounts}


def test_a_tpu_slice_by_its_profile(place):
    chips = Resources(accelerator="google.com/tpu", accelerators=4)
    selector = {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
        "cloud.google.com/gke-tpu-topology": "2x4",
    }
    profile = Profile("tpu", pod_overrides={"nodeSelector": selector})
    job = manifests.job(JobSpec("a", replicas=2, resources=chips), place, profile)

    assert job["spec"]["completions"] == 2  # hosts of the slice
    assert job["spec"]["template"]["spec"]["nodeSelector"] == selector
    assert _container(job)["resources"]["limits"] == {"google.com/tpu": "4"}


def test_credentials_of_a_store_are_files_and_in_no_environment(spec, place):
    pod = _pod(manifests.job(spec, place, Profile("a", store_secret="s3-ana")))
    container = pod["containers"][0]

    assert {"name": "store-access", "secret": {"secretName": "s3-ana"}} in pod["volumes"]
    mount = next(m for m in container["volumeMounts"] if m["name"] == "store-access")
    assert mount["readOnly"]
    assert {"name": "FSSPEC_CONFIG_DIR", "value": mount["mountPath"]} in container["env"]
    assert len(container["volumeMounts"]) == 4
    assert not any("valueFrom" in each for each in container["env"])


def test_a_queue_is_a_label_of_the_job_alone(spec, place):
    job = manifests.job(spec, place, Profile("a", queue="gpu"))

    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu"
    assert "kueue.x-k8s.io/queue-name" not in job["spec"]["template"]["metadata"]["labels"]
    assert "suspend" not in job["spec"]


def test_a_job_may_name_its_image(place):
    assert _container(manifests.job(JobSpec("a", image="own:2"), place))["image"] == "own:2"


def test_a_home_that_is_on_one_node_keeps_the_replicas_there(place, spec):
    pinned = Placement(image="x", node="n7")

    assert _pod(manifests.job(spec, pinned))["nodeSelector"] == {"kubernetes.io/hostname": "n7"}
    assert "nodeSelector" not in _pod(manifests.job(spec, place))


def test_users_do_not_take_our_labels(place):
    spec = JobSpec("a", user="ana", labels={"jupyter-kf/user": "eve", "jupyter-kf/job": "b", "team": "x"})

    assert manifests.labels(spec) == {
        "team": "x",
        "jupyter-kf/job": "a",
        "app.kubernetes.io/managed-by": "jupyter-kf",
        "jupyter-kf/user": "ana",
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    spec = JobSpec("a", user=text, notebook=text, source=text, image=text)
    place = Placement(image=text, python=text, store=text, env={"X": text})
    job = manifests.job(spec, place)

    assert manifests.read_spec(job) == spec
    assert list(yaml.safe_load_all(manifests.to_yaml([job]))) == [job]
    container = _container(job)
    assert container["command"] == [text, "-m", "jupyter_kf.worker", "a"]
    assert {"name": "X", "value": text} in container["env"]
    assert len(job["metadata"]["labels"]["jupyter-kf/user"]) <= 63


def test_a_very_long_source_is_cut_but_the_spec_stays_whole():
    spec = JobSpec("a", source="x = 1\n" * 100_000)
    written = manifests.write_spec(spec)

    assert len(written) < 256 * 1024  # the limit of all annotations of an object
    assert JobSpec.from_dict(json.loads(written)).source.startswith("x = 1\n")


def test_merging_is_strategic():
    base = {
        "containers": [
            {"name": "replica", "image": "a", "env": [{"name": "A", "value": "1"}], "command": ["x", "y"]}
        ],
        "volumes": [{"name": "home", "emptyDir": {}}],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1},
        "restartPolicy": "Never",
    }
    changes = {
        "containers": [{"name": "replica", "env": [{"name": "B", "value": "2"}], "command": ["z"]}],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "securityContext": {"runAsUser": None},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }

    assert manifests.merge(base, changes) == {
        "containers": [
            {
                "name": "replica",
                "image": "a",
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "command": ["z"],
            }
        ],
        "volumes": [{"name": "home", "emptyDir": {}}, {"name": "data", "emptyDir": {}}],
        "securityContext": {"runAsNonRoot": True},
        "restartPolicy": "Never",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }
    assert base["securityContext"] == {"runAsNonRoot": True, "runAsUser": 1}


def test_the_placement_has_the_last_word(spec):
    place = Placement(image="a", overrides={"priorityClassName": "mine"})
    job = manifests.job(
        spec, place, Profile("a", pod_overrides={"priorityClassName": "profile", "schedulerName": "s"})
    )

    assert _pod(job)["priorityClassName"] == "mine"
    assert _pod(job)["schedulerName"] == "s"


def _pod(job):
    return job["spec"]["template"]["spec"]


def _container(job):
    return _pod(job)["containers"][0]


def test_tolerations_are_added_to_those_there():
    base = {"tolerations": [{"key": "node", "operator": "Exists"}]}
    changes = {"tolerations": [{"key": "gpu"}, {"key": "node", "operator": "Exists"}]}
    merged = manifests.merge(base, changes)
    assert merged == {"tolerations": [{"key": "node", "operator": "Exists"}, {"key": "gpu"}]}
