"""The one door to a cluster's API server: plain dicts in and out, every call bounded in time.

Only this module imports the Kubernetes client, and only when it is used. It knows paths and
errors; what the objects mean is for others to know. Nothing of the client leaves it, neither a
model nor an exception.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import BackendError, Forbidden, JupyterKFError, NotFound, SpecError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientTimeout

CALL_SECONDS = 15.0
# The server sends a bookmark about once a minute on a quiet watch; longer silence is a dead line.
_SILENCE_SECONDS = 100.0
_WATCH_SECONDS = 300
# aiohttp lets go of TLS connections in later turns of the loop, and asks to be given the time.
_TLS_FAREWELL = 0.25
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PATHS = {"jobs": "/apis/batch/v1", "cronjobs": "/apis/batch/v1"}

Object = dict[str, Any]


class Expired(BackendError):
    """A watch cannot go on from where it was: what it missed must be listed."""


class Conflict(SpecError):
    """There is an object of this name already."""


def error_of(status: int, body: str) -> JupyterKFError:
    """Say what an answer other than success means."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        message = body.strip()[:500] or f"status {status}"
    kinds: dict[int, type[JupyterKFError]] = {
        400: SpecError,
        401: Forbidden,
        403: Forbidden,
        404: NotFound,
        409: Conflict,
        410: Expired,
        422: SpecError,
    }
    said = {
        400: "The cluster did not understand the request",
        401: "The cluster does not know this user",
        403: "The cluster refused",
        422: "The cluster found the request invalid",
    }
    text = f"{said[status]}: {message}" if status in said else str(message)
    return kinds.get(status, BackendError)(text)


class ApiServer:
    """Requests to one namespace, with the credentials of this pod or of a kubeconfig."""

    def __init__(self, namespace: str = "", kubeconfig: str | None = None) -> None:
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._farewell: weakref.finalize[..., ApiServer] | None = None

    async def namespace(self) -> str:
        """The namespace of all requests: the one asked for, else the pod's own, else kubeconfig's."""
        if not self._namespace:
            await self._connect()
        return self._namespace

    async def _connect(self) -> Any:
        """Make the client for the running loop; an aiohttp session belongs to one loop."""
        if self._client is not None and self._loop is asyncio.get_running_loop():
            return self._client
        from kubernetes.aio import config
        from kubernetes.aio.client import ApiClient, Configuration

        settings = Configuration()
        try:
            if self._kubeconfig is None and (_ACCOUNT / "token").exists():
                config.load_incluster_config(settings)
                own = (_ACCOUNT / "namespace").read_text().strip()
            else:
                await config.load_kube_config(self._kubeconfig, client_configuration=settings)
                _, active = config.list_kube_config_contexts(self._kubeconfig)
                own = active["context"].get("namespace", "default")
        except (config.ConfigException, OSError) as err:
            raise BackendError(
                f"There are no credentials for a cluster: {err}. Run inside a pod, or name a kubeconfig."
            ) from err
        settings.retries = 0
        self._namespace = self._namespace or own
        self._client, self._loop = ApiClient(settings), asyncio.get_running_loop()
        atexit.register(_close, self._loop, weakref.ref(self))
        # One that nobody holds any more gives its connections back too, in the loop that they belong to.
        self._farewell = weakref.finalize(self, _part_later, self._loop, self._client)
        self._farewell.atexit = False
        return self._client

    async def _path(self, kind: str, name: str = "", part: str = "") -> str:
        pieces = [_PATHS.get(kind, "/api/v1"), "namespaces", quote(await self.namespace(), safe=""), kind]
        return "/".join([*pieces, *(quote(p, safe="") for p in (name, part) if p)])

    async def _send(self, method: str, path: str, timeout: ClientTimeout, **request: Any) -> Any:
        """Send one request and give the answer with its body unread; raises what `error_of` says."""
        answer, body = await self._answer(method, path, timeout, **request)
        if answer.status >= 400:
            raise error_of(answer.status, body)
        return answer.response

    async def _answer(
        self, method: str, path: str, timeout: ClientTimeout, **request: Any
    ) -> tuple[Any, str]:
        """Send one request and give the answer, with its body if it is an error's."""
        import aiohttp

        client = await self._connect()
        query = [(k, v) for k, v in request.pop("query", {}).items() if v != ""]
        headers = {"Content-Type": request.pop("content", "application/json"), "Accept": "application/json"}
        try:
            prepared = await client.param_serialize(
                method,
                path,
                query_params=query,
                header_params=headers,
                auth_settings=["BearerToken"],
                **request,
            )
            answer = await client.call_api(*prepared, _request_timeout=timeout)
            return answer, (await answer.read()).decode(errors="replace") if answer.status >= 400 else ""
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            host = client.configuration.host
            raise BackendError(
                f"The cluster at {host} does not answer: {err or type(err).__name__}."
            ) from err

    async def _call(self, method: str, path: str, **request: Any) -> Object:
        import aiohttp

        response = await self._send(method, path, aiohttp.ClientTimeout(total=CALL_SECONDS), **request)
        try:
            answer: Object = json.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as err:
            raise BackendError(f"The cluster's answer broke off: {err or type(err).__name__}.") from err
        return answer

    async def ask(self, path: str) -> tuple[int, str]:
        """Ask for a path of which an error is an answer too: the status and the body."""
        import aiohttp

        answer, body = await self._answer("GET", path, aiohttp.ClientTimeout(total=CALL_SECONDS))
        try:
            return answer.status, body or (await answer.response.read()).decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as err:
            raise BackendError(f"The cluster's answer broke off: {err or type(err).__name__}.") from err

    async def get(self, kind: str, name: str) -> Object:
        """Give one object."""
        return await self._call("GET", await self._path(kind, name))

    async def list(self, kind: str, **query: str) -> Object:
        """Give a list object: its ``items``, and in ``metadata`` the version to watch from."""
        return await self._call("GET", await self._path(kind), query=query)

    async def create(self, kind: str, body: Object, **query: str) -> Object:
        """Make an object; `Conflict` if there is one of its name."""
        return await self._call("POST", await self._path(kind), body=body, query=query)

    async def patch(self, kind: str, name: str, body: Object) -> Object:
        """Change an object by a merge patch."""
        content = "application/merge-patch+json"
        return await self._call("PATCH", await self._path(kind, name), body=body, content=content)

    async def delete(self, kind: str, name: str, propagation: str) -> None:
        """Delete an object and, by ``propagation``, what it owns."""
        await self._call("DELETE", await self._path(kind, name), body={"propagationPolicy": propagation})

    async def watch(self, kind: str, version: str, **query: str) -> AsyncIterator[Object]:
        """Give the changes since ``version`` until the server ends the watch, as it does every few minutes.

        Raises `Expired` when the server has forgotten that version, `BackendError` on a dead line.
        """
        import aiohttp

        query |= {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query |= {"timeoutSeconds": str(_WATCH_SECONDS)}
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CALL_SECONDS, sock_read=_SILENCE_SECONDS)
        response = await self._send("GET", await self._path(kind), patience, query=query)
        try:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise error_of(event["object"].get("code", 500), json.dumps(event["object"]))
                yield event
        except (aiohttp.ClientError, TimeoutError, ValueError) as err:
            raise BackendError(f"A watch broke off: {err or type(err).__name__}.") from err
        finally:
            response.close()

    async def log(self, pod: str, container: str, follow: bool) -> AsyncIterator[bytes]:
        """Give what a container has printed; with ``follow`` until it ends."""
        import aiohttp

        query = {"container": container, "follow": "true" if follow else ""}
        patience = aiohttp.ClientTimeout(total=None if follow else CALL_SECONDS, sock_connect=CALL_SECONDS)
        response = await self._send("GET", await self._path("pods", pod, "log"), patience, query=query)
        try:
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, TimeoutError) as err:
            raise BackendError(f"The log of {pod} broke off: {err or type(err).__name__}.") from err
        finally:
            response.close()

    async def close(self) -> None:
        """Give back the connections, in the loop that they belong to."""
        client, loop = self._client, self._loop
        self._client = None
        if self._farewell:
            self._farewell.detach()
        if client is None or loop is None:
            return
        if loop is asyncio.get_running_loop():
            await _part(client)
        elif loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_part(client), loop))


async def _part(client: Any) -> None:
    await client.close()
    await asyncio.sleep(_TLS_FAREWELL)


def _part_later(loop: asyncio.AbstractEventLoop, client: Any) -> None:
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(_part(client), loop)


def _close(loop: asyncio.AbstractEventLoop, api: weakref.ref[ApiServer]) -> None:
    """At the end of the process, close the connections of a loop that still runs."""
    server = api()
    if server is not None and loop.is_running():
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(2)
