"""What the hub's metrics page says of spawning, beside what JupyterHub says there itself.

Counters and histograms are told as things happen. What is so at a moment is looked up when the page is
asked for, so that nothing has to be kept up to date and a watch that has died shows its age.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakSet

import prometheus_client
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector

from .pending import KINDS
from .watching import Look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from .noticing import LastingEventReflector, NoticingPodReflector
    from .patient import PatientSpawner

_SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)

REFUSALS = prometheus_client.Counter(
    "jupyter_kf_refusals", "Starts that were refused or given up, by the kind of reason", ["kind"]
)
START = prometheus_client.Histogram(
    "jupyter_kf_start_seconds", "From the call of start to a server that is ready", buckets=_SECONDS
)
READY_LAG = prometheus_client.Histogram(
    "jupyter_kf_ready_lag_seconds",
    "From the time at which the cluster says that a pod became ready, in whole seconds, to the hub's notice",
    buckets=_SECONDS[:6],
)
starting: WeakSet[PatientSpawner] = WeakSet()
reflectors: WeakSet[NoticingPodReflector | LastingEventReflector] = WeakSet()


class Now(Collector):
    """What is so when the page is asked for."""

    def collect(self) -> Iterator[Metric]:
        yield self._ages()
        yield self._pending()
        yield self._free()

    def _ages(self) -> Metric:
        found = GaugeMetricFamily(
            "jupyter_kf_watch_age_seconds",
            "Since a watch of the cluster has told something",
            labels=["watch"],
        )
        look = Look.begun()
        ages = {f"free-{name}": age for name, age in look.ages.items()} if look else {}
        for reflector in reflectors:
            if not reflector._stopping:
                name = f"servers-{reflector.kind}"
                ages[name] = max(reflector.age, ages.get(name, 0.0))
        for name, age in ages.items():
            found.add_metric([name], age)
        return found

    def _pending(self) -> Metric:
        found = GaugeMetricFamily(
            "jupyter_kf_pending_servers", "Servers that start, by what they wait for", labels=["reason"]
        )
        reasons = Counter(spawner.why().kind for spawner in starting)
        for kind in KINDS:
            found.add_metric([kind], reasons[kind])
        return found

    def _free(self) -> Metric:
        found = GaugeMetricFamily(
            "jupyter_kf_accelerators_free",
            "Accelerators that are free for a profile; absent if it is not known",
            labels=["profile"],
        )
        look = Look.begun()
        for offer in look.offers if look else ():
            if look and (free := look.free(offer)):
                found.add_metric([offer.name], free.total)
        return found

    def describe(self) -> list[Metric]:
        """Nothing, so that registering asks for nothing."""
        return []


REGISTRY.register(Now())
