"""A real hub on a real cluster: users in namespaces of their own, who run cells as jobs from their pods."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import policies as policies_of_cluster
import pytest
from hub import KIT, NAMESPACE, PROXY, running

from jupyter_kf.hub.namespaces import RIGHTS

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(not PROXY.exists(), reason="no proxy: make test-lab")]

UID = ("-n", "jhub-ana", "get", "pod", "jupyter-ana", "-o", "jsonpath={.metadata.uid}")
SETUP = """
%load_ext jupyter_kf
import keras, numpy as np
keras.utils.set_random_seed(1)
x = np.random.rand(64, 4).astype("float32")
y = x.sum(1, keepdims=True)
model, alone = (keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)]) for _ in range(2))
alone.set_weights(model.get_weights())
for each in (model, alone):
    each.compile("sgd", "mse")
before = model.get_weights()[0].copy()
"""
TRAIN = """%%kf --workers 2 --profile cpu
history = model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
"""
COMPARE = """
alone.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
now, expected = model.get_weights()[0], alone.get_weights()[0]
print("moved", abs(now - before).max() > 1e-3, "equal", np.allclose(now, expected, rtol=1e-5, atol=1e-7))
"""


@pytest.fixture(scope="module")
def hub(cluster, tmp_path_factory):
    """A hub and two users whose servers run: ana with a GPU, bo without."""
    users = {"ana": {"profile": "gpu", "count": "1"}, "bo": {"profile": "cpu"}}
    with running(cluster, tmp_path_factory.mktemp("hub"), **users) as found:
        yield found


def test_users_run_cells_from_their_pods(cluster, hub):
    """With nothing set up by them, and equal to one process; each job is in its user's namespace."""
    with ThreadPoolExecutor() as threads:
        printed = list(threads.map(lambda user: hub.run(user, SETUP, TRAIN, COMPARE), ("ana", "bo")))
    assert ["moved True equal True" in each for each in printed] == [True, True], printed
    for user in ("ana", "bo"):
        jobs = cluster.kubectl("-n", f"jhub-{user}", "get", "jobs", "-o", "name").split()
        assert len(jobs) == 1


def test_a_profile_is_what_the_pod_gets(cluster, hub):
    pod = json.loads(cluster.kubectl("-n", "jhub-ana", "get", "pod", "jupyter-ana", "-o", "json"))
    resources = pod["spec"]["containers"][0]["resources"]
    assert resources["limits"]["nvidia.com/gpu"] == resources["requests"]["nvidia.com/gpu"] == "1"
    assert pod["metadata"]["labels"]["jupyter-kf/profile"] == "gpu"
    assert pod["spec"]["serviceAccountName"] == "jupyter-kf"


@pytest.mark.parametrize(("user", "names"), [("ana", "cpu gpu gpu-x2 tpu"), ("bo", "cpu tpu")])
def test_the_catalogue_for_jobs_is_the_users(hub, user, names):
    cell = "import jupyter_kf.profiles as p; print(*(each.name for each in p.catalogue()))"
    assert hub.run(user, cell).strip() == names


def test_the_spawn_page_says_what_is_free(hub):
    """Two nodes have four GPUs each, of which ana has one."""
    page = hub.until(lambda: found if "7 free" in (found := hub.page("ana")) else "", "the free GPUs")
    assert "7 free, at most 4 on one node." in page
    assert "No node has any." in page  # of TPUs with the labels of the profile


def test_claims_are_made_from_templates_that_the_cluster_takes(cluster, hub):
    counts = "jsonpath={range .items[*]}{.metadata.name} {.spec.spec.devices.requests[0].exactly.count},{end}"
    made = cluster.kubectl("-n", "jhub-ana", "get", "resourceclaimtemplates", "-o", counts)
    assert made == "claim-x1 1,claim-x2 2,"


def test_the_cluster_counts_claims_that_pass_by_the_hub(cluster, hub):
    """The quota of the namespace knows devices by their class."""
    exactly = {"deviceClassName": "gpu.example.com", "count": 3}
    claim = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "many", "namespace": "jhub-ana"},
        "spec": {"devices": {"requests": [{"name": "x", "exactly": exactly}]}},
    }
    with pytest.raises(RuntimeError, match=r"exceeded quota: jupyter-kf, requested: gpu\.example\.com\.dev"):
        cluster.kubectl("create", "-f", "-", text=json.dumps(claim))


ASK = """
import os, urllib.request, urllib.error
url = os.environ["JUPYTER_KF_AVAILABILITY"].replace("/ana/", "/{whose}/").replace("/bo/", "/{whose}/")
token = {{"Authorization": "token " + os.environ["JUPYTERHUB_API_TOKEN"]}}
try:
    print(urllib.request.urlopen(urllib.request.Request(url, headers=token)).read().decode())
except urllib.error.HTTPError as err:
    print(err.code)
"""


def test_the_panel_has_the_numbers_of_the_spawn_page(hub):
    """From the hub, by the token of the user's own server and for that user only."""
    told = {"gpu": {"free": 7, "total": 8}, "gpu-x2": {"free": 3, "total": 4}, "tpu": {"free": 0, "total": 0}}
    unknown = {"free": None, "total": None}
    status, known = hub.ask("GET", "/user/ana/jupyter-kf/availability")
    assert (status, known["availability"]) == (200, told | {"": unknown, "cpu": unknown})
    assert json.loads(hub.run("ana", ASK.format(whose="ana")))["availability"] == told
    assert json.loads(hub.run("bo", ASK.format(whose="bo")))["availability"] == {"tpu": told["tpu"]}
    assert hub.run("bo", ASK.format(whose="ana")).strip() == "404"  # as for all that one may not see


def test_the_hubs_metrics_tell_of_spawning(hub):
    status, text = hub.ask("GET", "/hub/metrics")
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("jupyter_kf_"))
    assert status == 200
    assert float(found["jupyter_kf_start_seconds_count"]) >= 2
    assert float(found["jupyter_kf_ready_lag_seconds_count"]) >= 2
    assert float(found['jupyter_kf_accelerators_free{profile="gpu"}']) == 7
    for watch in ("free-nodes", "free-pods", "servers-pods", "servers-events"):
        assert float(found[f'jupyter_kf_watch_age_seconds{{watch="{watch}"}}']) < 120


def _listed(cluster, *what):
    return json.loads(cluster.kubectl("get", *what, "-o", "json"))["items"]


def test_policies_let_a_users_pods_reach_each_other_and_nobody_elses(cluster, hub):
    """By the definition of NetworkPolicies, on the labels of the live pods; nothing enforces them here."""
    policies, namespaces = _listed(cluster, "networkpolicies", "-A"), _listed(cluster, "namespaces")
    pods = {}
    for user in ("ana", "bo"):
        hub.run(user, f"%%kf --workers 2 --detach --quiet --name policy-{user}\nimport time; time.sleep(300)")
        mine = ("pods", "-n", f"jhub-{user}", "-l", f"job-name=policy-{user}")
        hub.until(lambda mine=mine: len(_listed(cluster, *mine)) == 2, f"the replicas of {user}")
        (notebook,) = _listed(cluster, "pods", "-n", f"jhub-{user}", "-l", "component=singleuser-server")
        pods |= {f"notebook of {user}": notebook, f"replica of {user}": _listed(cluster, *mine)[0]}

    def reached(port):
        return {
            (source, target)
            for source in pods
            for target in pods
            if source != target
            and policies_of_cluster.lets_through(policies, namespaces, pods[source], pods[target], port)
        }

    own = {("notebook of ana", "replica of ana"), ("notebook of bo", "replica of bo")}
    both_ways = own | {(target, source) for source, target in own}
    for port in (2220, 2221, 2222):
        assert reached(port) == both_ways
    for port in (22, 8888):
        assert reached(port) == set()
    for user in ("ana", "bo"):
        hub.run(user, f"import jupyter_kf as kf; kf.job('policy-{user}').delete()")


ATTEMPTS = [
    "-n jhub-bo get pods",
    "-n jhub-bo delete pod jupyter-bo",
    "-n jhub-bo logs jupyter-bo",
    "-n jhub-bo get secrets",
    "-n jhub-bo get jobs",
    "-n jhub-bo delete jobs --all",
    "-n jhub-bo create job x --image=x",
    "-n jhub-bo get persistentvolumeclaims home",
    "-n jhub-ana get secrets",
    "-n jhub-ana create token jupyter-kf",
    "-n jhub-ana exec jupyter-ana -- id",
    "-n jhub-ana delete networkpolicy jupyter-kf",
    "-n jhub-ana delete resourcequota jupyter-kf",
    "-n jhub-ana run x --image=x",
    "get nodes",
    "get namespaces",
    "get pods --all-namespaces",
]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_user_reaches_nothing_of_others(cluster, hub, attempt):
    """Each attempt is made with the token of ana's notebook."""
    account = hub.kubeconfig("jupyter-kf", "jhub-ana")
    with pytest.raises(RuntimeError, match=r"[Ff]orbidden"):
        cluster.kubectl(f"--kubeconfig={account}", *attempt.split())


def _rules(cluster, config, namespace):
    """The rights of a subject, but for those that everybody has."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    body = json.dumps(review | {"spec": {"namespace": namespace}})
    answer = cluster.kubectl(
        f"--kubeconfig={config}", "create", "--validate=false", "-f", "-", "-o", "json", text=body
    )
    return {
        (group, resource, verb)
        for rule in json.loads(answer)["status"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if not resource.startswith("selfsubject")
    }


def test_a_user_has_the_written_rights_and_no_more(cluster, hub):
    account = hub.kubeconfig("jupyter-kf", "jhub-ana")
    written = {(group, kind, verb) for (group, kind), verbs in RIGHTS.items() for verb in verbs}
    assert _rules(cluster, account, "jhub-ana") == written
    for other in ("jhub-bo", NAMESPACE, "default"):
        assert _rules(cluster, account, other) == set()


def test_the_hub_has_the_written_rights_and_no_more(cluster, hub):
    import yaml

    [rules] = [
        each["rules"]
        for each in yaml.safe_load_all((KIT / "rbac.yaml").read_text())
        if each["kind"] == "ClusterRole"
    ]
    written = {
        (g, r, v)
        for rule in rules
        for g in rule["apiGroups"]
        for r in rule["resources"]
        for v in rule["verbs"]
    }
    assert _rules(cluster, hub.kubeconfig("hub", NAMESPACE), "jhub-ana") == written


@pytest.mark.parametrize(
    ("user", "options", "status", "said"),
    [
        ("cy", {"profile": "gpu"}, 400, "There is no profile 'gpu' for you. Offered are: cpu, tpu."),
        ("cy", {"profile": "cpu", "image": "evil"}, 400, "has no image 'evil'"),
        ("cy", {"profile": ["cpu"]}, 400, "There is no profile ['cpu'] for you"),
        ("cy", {"colour": "red"}, 400, "has no option 'colour'"),
        ("ana", {"profile": "gpu", "count": 9}, 400, "comes with 1, 2 accelerators, not 9"),
        ("ana", {"profile": "gpu", "count": "2"}, 403, "You may hold 2 nvidia.com/gpu at once"),
        ("bo", {"profile": "cpu"}, 403, "You may have 1 server of the profile 'cpu' at once, and have 1"),
    ],
)
def test_what_a_user_may_not_have_is_refused_in_words(hub, user, options, status, said):
    hub.ask("POST", f"/hub/api/users/{user}")
    code, answer = hub.ask("POST", f"/hub/api/users/{user}/servers/more", options)
    assert (code, said in answer["message"]) == (status, True), answer


def test_what_does_not_fit_is_given_up_with_the_reason(cluster, hub):
    """And nothing is left of it."""
    code, answer = hub.spawn("cy", profile="tpu")
    assert code == 503
    assert "did not start within 8 s. The server has no node to run on: " in answer["message"]
    gone = ("-n", "jhub-cy", "wait", "--for=delete", "pod/jupyter-cy", "--timeout=60s")
    cluster.kubectl(*gone)
    assert hub.ask("GET", "/hub/api/users/cy")[1]["servers"] == {}


@pytest.fixture(scope="module")
def restarted(cluster, hub):
    """The hub after a restart, and ana's pod before it; of the module's scope, as its processes stay."""
    before = cluster.kubectl(*UID)
    hub.stop()
    hub.start()
    return hub, before


def test_servers_outlive_a_restart_of_the_hub(cluster, restarted):
    hub, before = restarted
    hub.until(lambda: hub.ready("ana"), "the server of ana")
    assert cluster.kubectl(*UID) == before
    code, answer = hub.ask("POST", "/hub/api/users/bo/servers/more", {"profile": "cpu"})
    assert (code, "and have 1" in answer["message"]) == (403, True), "profiles are forgotten"


def test_a_pod_that_was_killed_is_started_again(cluster, hub):
    cluster.kubectl("-n", "jhub-bo", "delete", "pod", "jupyter-bo", "--wait=false", "--force")
    hub.until(lambda: hub.ask("GET", "/hub/api/users/bo")[1]["servers"] == {}, "the hub's notice")
    assert hub.spawn("bo", profile="cpu")[0] in (201, 202)
    hub.until(lambda: hub.ready("bo"), "the server of bo")


def test_an_outage_of_the_api_server_loses_nothing(cluster, restarted):
    """What is asked for meanwhile is refused in words, and the servers that run are there afterwards."""
    hub, before = restarted
    cluster.stop_program("n1", "kube-apiserver", signal.SIGKILL)
    try:
        code, answer = hub.spawn("dan", profile="cpu")
    finally:
        cluster.start_program("n1", "kube-apiserver")
    assert (code, "The cluster does not answer the hub" in str(answer)) == (503, True), answer
    cluster.wait_for("the API server", "get", "--raw", "/readyz")
    assert cluster.kubectl(*UID) == before
    assert hub.ready("ana")
    assert hub.run("ana", "print('still here')").strip() == "still here"
