"""Sends the messages of webhooks: in every API process, side by side; a message goes out at least once."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from arqsvc import __version__
from arqsvc.errors import AddressRefused, SourceUnavailable
from arqsvc.infra.db import UNAVAILABLE
from arqsvc.infra.http_errors import retry_after_s
from arqsvc.infra.outward import Heard, Outward
from arqsvc.jobs import deliveries
from arqsvc.jobs.deliveries import Delivery, Try
from arqsvc.jobs.webhooks import PING
from arqsvc.webhooks import sign

logger = logging.getLogger(__name__)

TRY_S = 15.0
"""Longest time of one try."""
AT_ONCE = 64
"""Most tries at a time in one process."""
A_LANE = 8
"""Most of them to one receiver."""
A_PROJECT = 32
"""Most of them for one project."""
KEPT = 16
"""Tries that are kept for projects with few under way: two whose receivers hang do not hold up a third."""
LOOK_S = 0.25
"""Seconds between two looks for what is due, unless it is known."""
REST_S = 0.01
"""Least seconds between two looks."""
FORGET_S = 600.0
"""Seconds between two looks for old messages."""
FORGET = 1000
"""Old messages that one statement deletes."""
AWAY_S = 2.0
"""Seconds until a database that was away is asked again."""


class Sender:
    """The sending loop of one process."""

    def __init__(self, outward: Outward, *, base_url: str | None) -> None:
        self._outward, self._base_url = outward, base_url
        self._wake = asyncio.Event()
        self._busy, self._projects = Counter[str](), Counter[str]()

    def wake(self) -> None:
        """Look for what is due now."""
        self._wake.set()

    async def run(self) -> None:
        """Send what is due, until cancelled; what is on its way then is sent again once its lease has run out."""
        self._busy.clear()
        self._projects.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                for delivery in await self._due():
                    self._busy[delivery.lane] += 1
                    self._projects[delivery.project] += 1
                    group.create_task(self._deliver(delivery))
                await asyncio.sleep(REST_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()

    async def forget(self) -> None:
        """Delete old messages, now and then, until cancelled."""
        while True:
            deleted = await deliveries.forget_old(FORGET)
            await asyncio.sleep(FORGET_S if deleted < FORGET else REST_S)

    async def _due(self) -> list[Delivery]:
        """Return what is to be tried now; nothing while the database is away, so that what is on its way goes on."""
        if (free := AT_ONCE - self._busy.total()) <= 0:
            return []
        try:
            return await deliveries.claim(
                free, a_lane=A_LANE, busy=self._busy, a_project=A_PROJECT, busy_projects=self._projects, kept=KEPT
            )
        except UNAVAILABLE as error:
            logger.warning("no webhooks are sent: the database is away", extra={"error": str(error)})
            await asyncio.sleep(AWAY_S)
            return []

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            tried = await self._try(delivery)
            disabled = await deliveries.note(delivery, tried)
            if tried.wait_s and tried.wait_s > 0:
                await deliveries.put_off(delivery.lane, tried.wait_s)
        except UNAVAILABLE as error:
            logger.warning("a webhook's try is not noted", extra={"delivery": delivery.id, "error": str(error)})
            return
        finally:
            self._busy -= Counter([delivery.lane])  # which drops what is zero
            self._projects -= Counter([delivery.project])
            self.wake()
        facts = {"delivery": delivery.id, "status": tried.status, "try": delivery.tries + 1}
        logger.info("webhook delivered" if tried.error is None else "webhook not delivered", extra=facts)
        if disabled:
            logger.warning("webhook disabled", extra={"webhook": delivery.lane, "reason": disabled})

    async def _try(self, delivery: Delivery) -> Try:
        began = time.monotonic()
        if delivery.url is None:
            return Try(0.0, error="The webhook is deleted.", gone=True)
        secrets = delivery.secrets or [(await deliveries.project_secret(delivery.project))["secret"]]
        whole = message(delivery.body, self._base_url)
        body, at = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(), int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"arqsvc/{__version__}",
            "webhook-id": str(delivery.id),
            "webhook-timestamp": str(at),
            "webhook-signature": sign(secrets, str(delivery.id), at, body),
        }
        try:
            heard = await self._outward.post(delivery.url, body, headers, timeout_s=TRY_S)
        except (AddressRefused, SourceUnavailable) as error:
            return Try(time.monotonic() - began, error=error.detail)
        return _judged(heard, time.monotonic() - began)


def message(body: Mapping[str, Any], base_url: str | None) -> dict[str, Any]:
    """Return a message as it is sent, the same at every try."""
    data: dict[str, Any] = dict(body["data"])
    if body["type"] != PING:
        data["href"] = f"{(base_url or '').rstrip('/')}/api/v1/jobs/{data['id']}"
    return {"type": body["type"], "timestamp": body["timestamp"], "data": data}


def _judged(heard: Heard, took_s: float) -> Try:
    """Return what an answer means."""
    answer = heard.body.decode(errors="replace")
    if 200 <= heard.status < 300:
        return Try(took_s, heard.status, None, answer)
    if 300 <= heard.status < 400:
        error = f"Status {heard.status}: redirects are not followed. Name the address that it leads to."
    else:
        error = f"Status {heard.status}: only 2xx counts as delivered."
    waits = heard.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    wait_s = retry_after_s(heard.headers) if waits else None
    return Try(took_s, heard.status, error, answer, wait_s, gone=heard.status == HTTPStatus.GONE)
