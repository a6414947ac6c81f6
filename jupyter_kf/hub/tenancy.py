"""Bringing a user's namespace about: whatever is missing or was changed is as it should be afterwards.

By server-side apply, so that a second time changes nothing, and what others add beside it stays. A
namespace that is not this user's is never taken over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kubernetes_asyncio.client import ApiException
from kubespawner.clients import shared_client

from ..errors import Forbidden
from ..names import label_value
from .namespaces import USER_LABEL, Object, Tenant, contents, namespace

if TYPE_CHECKING:
    from collections.abc import Callable

_OWNER = "jupyter-kf"
_SECONDS = 10
# The client's class for an object, and the middle of its methods' names.
_METHODS = {
    "Namespace": ("CoreV1Api", "namespace"),
    "ServiceAccount": ("CoreV1Api", "namespaced_service_account"),
    "ResourceQuota": ("CoreV1Api", "namespaced_resource_quota"),
    "LimitRange": ("CoreV1Api", "namespaced_limit_range"),
    "Role": ("RbacAuthorizationV1Api", "namespaced_role"),
    "RoleBinding": ("RbacAuthorizationV1Api", "namespaced_role_binding"),
    "NetworkPolicy": ("NetworkingV1Api", "namespaced_network_policy"),
    "ResourceClaimTemplate": ("ResourceV1Api", "namespaced_resource_claim_template"),
}


async def ensure(tenant: Tenant) -> None:
    """Make the namespace and all in it; `Forbidden` if there is one of its name that is not the user's."""
    await _check_ours(tenant)
    await _apply(namespace(tenant))
    made = contents(tenant)
    await asyncio.gather(*(_apply(each) for each in made if each["kind"] != "RoleBinding"))
    await asyncio.gather(*(_bind(each) for each in made if each["kind"] == "RoleBinding"))


async def _check_ours(tenant: Tenant) -> None:
    try:
        found = await shared_client("CoreV1Api").read_namespace(tenant.namespace, _request_timeout=_SECONDS)
    except ApiException as err:
        if err.status == 404:
            return
        raise
    owner = (found.metadata.labels or {}).get(USER_LABEL)
    if owner != label_value(tenant.user):
        belongs = f"belongs to the user {owner!r}" if owner else "was not made for a user of this hub"
        raise Forbidden(
            f"The namespace {tenant.namespace} {belongs}, so no server is started in it. An "
            f"administrator can give it the label {USER_LABEL}={label_value(tenant.user)} if it should be."
        )


async def _apply(body: Object) -> None:
    kind, place = body["kind"], body["metadata"]
    api, method = _METHODS[kind]
    patch: Callable[..., Any] = getattr(shared_client(api), f"patch_{method}")
    names = (place["name"], place["namespace"]) if "namespace" in place else (place["name"],)
    answer = await patch(
        *names,
        body,
        field_manager=_OWNER,
        force=True,
        _content_type="application/apply-patch+yaml",
        _request_timeout=_SECONDS,
        _preload_content=False,  # nobody reads it, and to build the client's objects takes long
    )
    said = await answer.read()
    if answer.status >= 400:
        raise ApiException(status=answer.status, reason=f"{answer.reason}: {said.decode()}")


async def _bind(binding: Object) -> None:
    """Bind a Role, which the API server's own copy of the Roles may not have a moment after it was made."""
    for pause in (0.05, 0.2, 1.0):
        try:
            return await _apply(binding)
        except ApiException as err:
            if err.status != 404:
                raise
        await asyncio.sleep(pause)
    return await _apply(binding)


async def api_server() -> tuple[tuple[str, int], ...]:
    """The addresses behind the Service of the API server, which policies must leave open."""
    find = shared_client("DiscoveryV1Api").read_namespaced_endpoint_slice
    found = await find("kubernetes", "default", _request_timeout=_SECONDS)
    port = found.ports[0].port
    return tuple((address, port) for endpoint in found.endpoints for address in endpoint.addresses)
