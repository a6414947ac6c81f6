"""KFSpawner: notebook pods from the catalogue, in a namespace of the user's own, with the right to run jobs.

A KubeSpawner with few overrides: all that can be configured on that one works here. What is decided is
decided in the modules beside this one; here it meets the hub.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

from kubernetes_asyncio.client import ApiException, CoreV1ResourceClaim, V1PodResourceClaim
from traitlets import Bool, Dict, List, Unicode, default, validate

from ..backends import BACKEND_VARIABLE
from ..errors import Forbidden, SpecError
from ..profiles import AVAILABILITY_VARIABLE, PROFILES_VARIABLE
from ..store import STORE_VARIABLE
from . import holdings, offers, page, tenancy
from .catalogue import claim_name, claimed, job_profiles
from .namespaces import ACCOUNT, Tenant
from .options import Choice, check_stock, choose
from .patient import PatientSpawner
from .refusals import refusal

# Below the hub's API: what is free for a server's jobs.
AVAILABILITY_PATH = "users/{user}/servers/{server}/jupyter-kf/availability"
_last_right: dict[str, offers.Catalogue] = {}


class KFSpawner(PatientSpawner):
    """Starts notebook servers on Kubernetes from a catalogue of profiles."""

    catalogue_file = Unicode(help="The file of the catalogue, profiles.yaml.").tag(config=True)
    catalogue = Dict(help="The catalogue itself, instead of a file.").tag(config=True)
    job_rights = Bool(
        help="""Whether notebooks may run jobs on the cluster. By default they may where each user has a
        namespace (enable_user_namespaces, the default). In a namespace that users share it is refused:
        whoever may create pods there can read the Secrets, volumes and tokens of all."""
    ).tag(config=True)
    store = Unicode(help="Where payloads and results of jobs are: a URL; by default the home volume.").tag(
        config=True
    )
    show_free = Bool(
        True, help="Whether the spawn page says how many accelerators are free; the hub must see the nodes."
    ).tag(config=True)
    extra_egress: Any = List(
        help="More egress rules, as a NetworkPolicy has them, for the pods of users."
    ).tag(config=True)

    choice: Choice | None = None
    user_options: Any  # the hub's

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What is so for all pods, before a profile is applied to this object and changes it.
        tolerated = self.tolerations
        self._tolerated = list(tolerated.values() if isinstance(tolerated, dict) else tolerated)
        self._selector = dict(self.node_selector)

    # -- defaults --

    @default("enable_user_namespaces")
    def _own_namespaces(self) -> bool:
        return True

    @default("job_rights")
    def _job_rights(self) -> bool:
        return bool(self.enable_user_namespaces)

    @default("service_account")
    def _account(self) -> str | None:
        return ACCOUNT if self.job_rights else None

    @default("automount_service_account_token")
    def _token(self) -> bool | None:
        return True if self.job_rights else None

    @default("pod_security_context")
    def _pod_security(self) -> dict[str, Any]:
        """What Pod Security asks for in a user's namespace."""
        restricted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        return restricted if self.enable_user_namespaces else {}

    @default("container_security_context")
    def _container_security(self) -> dict[str, Any]:
        return {"capabilities": {"drop": ["ALL"]}} if self.enable_user_namespaces else {}

    @default("profile_list")
    def _profile_list(self) -> Any:
        return self._compiled if self.catalogue or self.catalogue_file else []

    @validate("profile_list")
    def _no_list_of_ones_own(self, proposal: Any) -> Any:
        """An empty list is none, as the chart sets one where there are no profiles of its own."""
        return proposal["value"] or self._profile_list()

    @default("additional_profile_form_template_paths")
    def _template_paths(self) -> list[str]:
        """The page knows what the catalogue can say; a list of the administrator's own has KubeSpawner's."""
        own = self.catalogue or self.catalogue_file
        return [str(Path(__file__).with_name("templates"))] if own else []

    @default("apply_user_options")
    def _apply_options(self) -> Any:
        return _choose_first

    # -- the catalogue and the choice --

    def offered(self) -> offers.Catalogue:
        """The catalogue as it is now; after a change that is wrong, the last that was right."""
        place = self.catalogue_file or "configuration"
        try:
            if self.catalogue:
                found = offers.read_dict(self.catalogue)
            else:
                found = offers.read_file(place) if self.catalogue_file else offers.Catalogue()
        except SpecError as err:
            self.log.error("The catalogue of profiles is wrong: %s", err)
            if place not in _last_right:
                said = "The hub's catalogue of profiles is wrong; its log tells the administrator where."
                raise refusal(said, "configuration", 503) from err
            found = _last_right[place]
        _last_right[place] = found
        return found.placed(self._selector, self._tolerated)

    @property
    def groups(self) -> list[str]:
        """The user's groups."""
        return [group.name for group in self.user.groups]

    @staticmethod
    def _compiled(spawner: KFSpawner) -> list[dict[str, Any]]:
        return page.entries(spawner)

    def choose(self) -> Choice | None:
        """Read the user's options against what the user may have; a refusal says what is wrong."""
        if self.profile_list != self._compiled:
            return None
        try:
            self.choice = choose(self.user_options or {}, self.offered().servers(self.groups))
        except SpecError as err:
            raise refusal(str(err), "options") from err
        self.user_options = self.choice.options
        if self.orm_spawner:  # what the hub's API says after a restart too, and the culler goes by
            self.orm_spawner.user_options = self.choice.options
        # The hub reads the time to start before KubeSpawner has applied a profile.
        self.start_timeout = self.choice.offer.start_within or self.start_timeout
        return self.choice

    async def load_user_options(self) -> None:
        """Apply the choice, once it is known to be one that the user may make now."""
        choice = self.choose()
        if choice:
            await self._check_holdings(choice)
            # A profile's resources are merged into those there: nothing of an earlier choice may stay.
            for offer in self.offered().offers:
                for held in (self.extra_resource_limits, self.extra_resource_guarantees):
                    held.pop(offer.accelerator.resource if offer.accelerator else "", None)
        try:
            await super().load_user_options()
        except ValueError as err:
            raise refusal(str(err), "options") from err

    def _validate_user_options(self, profile_list: list[dict[str, Any]]) -> None:
        check_stock(self.user_options or {}, profile_list)
        super()._validate_user_options(profile_list)

    def check_servers(self, offer: offers.Offer) -> None:
        """Raise `SpecError` if the user may start no more servers of an offer."""
        most = offer.max_per_user
        others = [each for each in list(self.user.spawners.values()) if each is not self and each.active]
        same = sum(_profile_of(each) == offer.name for each in others)
        if most is not None and same >= most:
            raise SpecError(
                f"You may have {most} server{'s' if most > 1 else ''} of the profile "
                f"{offer.name!r} at once, and have {same}. Stop one first."
            )

    async def _check_holdings(self, choice: Choice) -> None:
        try:
            self.check_servers(choice.offer)
        except SpecError as err:
            raise refusal(str(err), "quota", 403) from err
        catalogue = self.offered()
        allowed = catalogue.per_user
        if allowed == offers.Allowance():
            return
        label = self._build_common_labels({})["hub.jupyter.org/username"]
        query = {} if self.enable_user_namespaces else {"label_selector": f"hub.jupyter.org/username={label}"}
        answer = await self.api.list_namespaced_pod(
            self.namespace, _preload_content=False, _request_timeout=self.k8s_api_request_timeout, **query
        )
        if answer.status >= 400:
            raise ApiException(status=answer.status, reason=answer.reason)
        pods = json.loads(await answer.read()).get("items") or []
        mine = [pod for pod in pods if pod["metadata"]["name"] != self.pod_name]
        try:
            holdings.check(choice, mine, allowed, claimed(catalogue.offers))
        except SpecError as err:
            raise refusal(str(err), "quota", 403) from err

    # -- the namespace --

    async def _start(self) -> str:
        if self.job_rights and not self.enable_user_namespaces:
            raise refusal(
                "This hub is set up wrongly: job_rights needs enable_user_namespaces, as whoever may run "
                "jobs in a namespace can read what all others have in it.",
                "configuration",
                503,
            )
        return str(await super()._start())

    async def _ensure_namespace(self) -> None:
        try:
            await tenancy.ensure(await self._tenant())
        except Forbidden as err:
            raise refusal(str(err), "namespace", 403) from err

    async def _tenant(self) -> Tenant:
        catalogue = self.offered()
        return Tenant(
            user=self.user.name,
            namespace=self.namespace,
            hub_namespace=self._namespace_default(),
            allowance=catalogue.per_user,
            offers=tuple(catalogue.offers),
            labels=self._expand_all(self.user_namespace_labels),
            annotations=self._expand_all(self.user_namespace_annotations),
            api_server=await tenancy.api_server(),
            egress=tuple(self.extra_egress),
            notebook_port=self.port,
            hub_port=urlparse(self.hub.api_url).port or 8081,
            with_rights=self.job_rights,
        )

    # -- the pod --

    def get_env(self) -> dict[str, str]:
        """Tell the notebook where jobs run, and with which profiles."""
        env: dict[str, str] = super().get_env()
        if self.job_rights:
            profiles = job_profiles(self.offered().jobs(self.groups))
            env[BACKEND_VARIABLE] = "kubernetes"
            env[PROFILES_VARIABLE] = json.dumps([profile.to_dict() for profile in profiles])
            here = AVAILABILITY_PATH.format(user=quote(self.user.name, safe="@"), server=quote(self.name))
            env[AVAILABILITY_VARIABLE] = f"{self.hub.api_url}/{here}"
        if self.store:
            env[STORE_VARIABLE] = self._expand_user_properties(self.store)
        return env

    async def get_pod_manifest(self) -> Any:
        """Make the pod; a claim of devices is added beside the limits, which it must not replace."""
        pod = await super().get_pod_manifest()
        devices = self.choice.offer.accelerator if self.choice else None
        if self.choice and devices and devices.device_class:
            template = claim_name(self.choice.offer.name, self.choice.count)
            claim = V1PodResourceClaim(name="accelerator", resource_claim_template_name=template)
            pod.spec.resource_claims = [claim]
            pod.spec.containers[0].resources.claims = [CoreV1ResourceClaim(name="accelerator")]
        return pod

    def get_state(self) -> dict[str, Any]:
        """Remember the profile, so that it counts after a restart of the hub."""
        state: dict[str, Any] = super().get_state()
        return state | ({"profile": self.choice.offer.name} if self.choice else {})


def _choose_first(spawner: KFSpawner, options: dict[str, Any]) -> None:
    """Refuse wrong options before anything is started; the hub asks for this hook since version 5.3."""
    spawner.choose()


def _profile_of(spawner: KFSpawner) -> str:
    if spawner.choice:
        return spawner.choice.offer.name
    return str((spawner.orm_spawner.state or {}).get("profile", "")) if spawner.orm_spawner else ""
