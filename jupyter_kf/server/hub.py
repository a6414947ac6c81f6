"""What a hub says is free, where this server is one of a hub's; the hub sees the cluster, a user may not."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from ..backends.base import Availability
from ..profiles import AVAILABILITY_VARIABLE

if TYPE_CHECKING:
    import logging

TOKEN_VARIABLE = "JUPYTERHUB_API_TOKEN"  # the server's own, which every server of a hub has
_SECONDS = 5


async def availability(log: logging.Logger) -> dict[str, Availability]:
    """The free places by profile; nothing where no hub says it or the hub does not answer."""
    url, token = os.environ.get(AVAILABILITY_VARIABLE), os.environ.get(TOKEN_VARIABLE)
    if not url or not token:
        return {}
    try:
        headers = {"Authorization": f"token {token}"}
        answer = await AsyncHTTPClient().fetch(url, headers=headers, request_timeout=_SECONDS)
        told = json.loads(answer.body)["availability"]
        return {name: Availability(**places) for name, places in told.items()}
    except (HTTPClientError, OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        log.warning("jupyter_kf: the hub does not say what is free: %s", err)
        return {}
