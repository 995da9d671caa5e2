"""Webhooks over HTTP: the addresses of a project, what was sent there, and what signs for those of jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from uuid6 import uuid7

from arqsvc.api.addresses import check_address
from arqsvc.api.bodies import body_as, query_as
from arqsvc.api.held import of
from arqsvc.api.keys import Caller, Scope
from arqsvc.api.operation import operation, reply
from arqsvc.api.records import newest, own
from arqsvc.api.webhook_sender import message
from arqsvc.contract import Delivery, DeliveryPage, NewWebhook, Webhook, WebhookList, WebhookSecret
from arqsvc.errors import Conflict, NotFound
from arqsvc.infra.db import rows, transaction
from arqsvc.jobs import deliveries
from arqsvc.jobs.webhooks import (
    ENDS,
    DeliveryRecord,
    EventTypes,
    SecretRecord,
    WebhookRecord,
    WebhookUrl,
)
from arqsvc.settings import Settings
from arqsvc.webhooks import new_secret

MOST = 20
"""Most webhooks of one project."""
PAGE, LARGEST_PAGE = 50, 500
DAY_S = 86_400
NO_STORE = {"Cache-Control": "no-store"}
"""With answers that hold a secret."""


class WantedWebhook(BaseModel):
    """The body of `POST /webhooks`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    url: WebhookUrl
    """An address by http or https; a public one, unless `ARQSVC_WEBHOOK_PRIVATE` allows others."""
    types: EventTypes = list(ENDS)
    """What it is told; unless given, the ends."""


class ChangedWebhook(BaseModel):
    """The body of `PATCH /webhooks/{id}`: what is to be another."""

    model_config = ConfigDict(extra="forbid")

    url: WebhookUrl | None = None
    types: EventTypes | None = None


class Rotation(BaseModel):
    """The body of a rotation."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    old_valid_s: float = Field(default=DAY_S, ge=0, le=30 * DAY_S)
    """Seconds for which the old secret signs as well."""


class DeliveryQuery(BaseModel):
    """The query of a list of deliveries."""

    model_config = ConfigDict(extra="forbid")

    cursor: UUID | None = None
    limit: int = Field(default=PAGE, ge=1, le=LARGEST_PAGE)


@operation("webhooks.list", "GET", "/webhooks", Scope.SUBMIT, {200: WebhookList})
async def list_webhooks(request: Request, caller: Caller) -> Response:
    """List the webhooks of the project."""
    found = await WebhookRecord.filter(project=caller.project).order_by("id")
    return reply(WebhookList(items=[Webhook(**_facts(one)) for one in found]))


@operation(
    "webhooks.create", "POST", "/webhooks", Scope.SUBMIT, {201: NewWebhook}, body=WantedWebhook, repeatable=False,
    errors=(409,), tells={201: ("Location",)},
    examples={"the ends of all jobs": {"url": "https://example.org/hooks/arqsvc", "types": list(ENDS)}},
)  # fmt: skip
async def create(request: Request, caller: Caller) -> Response:
    """Have an address told what happens to the project's jobs. Its secret is in this answer only.

    409 where a webhook tells the same address of one of these types already: `webhook` is its id. Who has lost the
    answer that held its secret rotates that. 409 as well for more than 20 webhooks of a project.
    """
    wanted = await body_as(WantedWebhook, request)
    await check_address(request, wanted.url, "/url")
    async with transaction():
        await rows("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [f"webhooks {caller.project}"])
        made = await _made(wanted, caller)
    request.state.audit = {"webhook": str(made.id), **_told(url=made.url, types=made.types)}
    headers = {"Location": f"/api/v1/webhooks/{made.id}", **NO_STORE}
    return reply(NewWebhook(**_facts(made), secret=made.secret), 201, headers)


async def _made(wanted: WantedWebhook, caller: Caller) -> WebhookRecord:
    """Return a new webhook, unless there is one like it, or there are too many; nobody else makes one meanwhile."""
    there = await WebhookRecord.filter(project=caller.project)
    if twice := next((one for one in there if one.url == wanted.url and {*one.types} & {*wanted.types}), None):
        raise Conflict(
            f"The webhook {twice.id} tells this address of {', '.join(twice.types)} already, and each would be told "
            f"twice. Change that one, or POST /api/v1/webhooks/{twice.id}/rotate where its secret is lost.",
            webhook=str(twice.id),
        )
    if len(there) >= MOST:
        raise Conflict(f"The project has {MOST} webhooks, which is the limit. Delete one, or change one.", limit=MOST)
    return await WebhookRecord.create(
        id=uuid7(), project=caller.project, url=wanted.url, types=_once(wanted.types), secret=new_secret(),
        created_at=datetime.now(UTC),
    )  # fmt: skip


@operation("webhooks.show", "GET", "/webhooks/{id}", Scope.SUBMIT, {200: Webhook}, errors=(404,))
async def show(request: Request, caller: Caller) -> Response:
    """Return a webhook as it stands."""
    return reply(Webhook(**_facts(await _find(request, caller))))


@operation(
    "webhooks.change", "PATCH", "/webhooks/{id}", Scope.SUBMIT, {200: Webhook}, body=ChangedWebhook, errors=(404, 413)
)
async def change(request: Request, caller: Caller) -> Response:
    """Change the address of a webhook, or what it is told; what waits to be sent goes to the new address."""
    found = await _find(request, caller)
    wanted = await body_as(ChangedWebhook, request)
    values: dict[str, Any] = {}
    if wanted.url is not None:
        await check_address(request, wanted.url, "/url")
        values["url"] = wanted.url
    if wanted.types is not None:
        values["types"] = _once(wanted.types)
    request.state.audit = _told(**values)
    return await _changed(found, caller, **values)


@operation("webhooks.delete", "DELETE", "/webhooks/{id}", Scope.SUBMIT, {204: None}, errors=(404,))
async def delete(request: Request, caller: Caller) -> Response:
    """Delete a webhook, with all that was or was to be sent there."""
    found = await _find(request, caller)
    await WebhookRecord.filter(id=found.id).delete()
    await DeliveryRecord.filter(project=caller.project, webhook_id=found.id).delete()
    return Response(status_code=204)


@operation(
    "webhooks.rotate", "POST", "/webhooks/{id}/rotate", Scope.SUBMIT, {200: NewWebhook}, repeatable=False,
    body=Rotation, body_needed=False, errors=(404, 413),
)  # fmt: skip
async def rotate(request: Request, caller: Caller) -> Response:
    """Give a webhook a new secret, which is in this answer only; the old one signs as well for a day, or as given."""
    found = await _find(request, caller)
    values = _rotated(found.secret, await body_as(Rotation, request, empty={}))
    await WebhookRecord.filter(id=found.id).update(**values)
    found.update_from_dict(values)
    return reply(NewWebhook(**_facts(found), secret=found.secret), headers=NO_STORE)


@operation("webhooks.enable", "POST", "/webhooks/{id}/enable", Scope.SUBMIT, {200: Webhook}, errors=(404,))
async def enable(request: Request, caller: Caller) -> Response:
    """Use a webhook again that was disabled; what was not delivered before can be sent anew.

    What happened to jobs while it was disabled is not told.
    """
    found = await _find(request, caller)
    return await _changed(found, caller, disabled_at=None, disabled_reason=None, failing_since=None)


@operation("webhooks.ping", "POST", "/webhooks/{id}/ping", Scope.SUBMIT, {202: Delivery}, errors=(404,))
async def ping(request: Request, caller: Caller) -> Response:
    """Send a message of type `ping`, once; its delivery says what came back. A disabled webhook is pinged as well."""
    found = await _find(request, caller)
    made = await deliveries.ping(found.id, caller.project)
    return await _sent(request, made)


@operation(
    "webhooks.deliveries", "GET", "/webhooks/{id}/deliveries", Scope.SUBMIT, {200: DeliveryPage},
    query=DeliveryQuery, errors=(404,),
)  # fmt: skip
async def list_deliveries(request: Request, caller: Caller) -> Response:
    """List what was or is to be sent to a webhook in the last 30 days, the newest first, with each try."""
    found = await _find(request, caller)
    return await _page(request, caller, webhook_id=found.id)


@operation(
    "deliveries.list", "GET", "/deliveries", Scope.SUBMIT, {200: DeliveryPage}, query=DeliveryQuery
)  # fmt: skip
async def list_all(request: Request, caller: Caller) -> Response:
    """List what was or is to be sent for the project, to its webhooks and those of its jobs, the newest first."""
    return await _page(request, caller)


@operation(
    "deliveries.redeliver", "POST", "/deliveries/{id}/redeliver", Scope.SUBMIT, {202: Delivery}, errors=(404, 409)
)  # fmt: skip
async def redeliver(request: Request, caller: Caller) -> Response:
    """Send a message anew, now, under the same `webhook-id`; 409 while its webhook is disabled."""
    found = await _find_delivery(request, caller)
    if not await deliveries.redeliver(found.id):
        raise Conflict(
            f"The webhook {found.webhook_id} is disabled or deleted. POST /api/v1/webhooks/{found.webhook_id}/enable "
            "first."
        )
    return await _sent(request, found.id)


@operation("webhooks.secret", "GET", "/webhooks/secret", Scope.SUBMIT, {200: WebhookSecret})
async def secret(request: Request, caller: Caller) -> Response:
    """Return what signs for the webhooks that jobs carry themselves; one secret a project."""
    return await _secret(caller)


@operation(
    "webhooks.rotate_secret", "POST", "/webhooks/secret/rotate", Scope.SUBMIT, {200: WebhookSecret}, repeatable=False,
    body=Rotation, body_needed=False, errors=(413,),
)  # fmt: skip
async def rotate_secret(request: Request, caller: Caller) -> Response:
    """Make a new secret for the webhooks that jobs carry; the old one signs as well for a day, or as given."""
    asked = await body_as(Rotation, request, empty={})
    found = await deliveries.project_secret(caller.project)
    await SecretRecord.filter(project=caller.project).update(**_rotated(found["secret"], asked))
    return await _secret(caller)


async def _find(request: Request, caller: Caller) -> WebhookRecord:
    return await own(WebhookRecord, request, caller, _no_webhook)


def _no_webhook(connection: HTTPConnection) -> NotFound:
    named = connection.path_params["id"][:60]
    return NotFound(f"There is no webhook {named}. GET /api/v1/webhooks lists yours.")


async def _find_delivery(request: Request, caller: Caller) -> DeliveryRecord:
    return await own(DeliveryRecord, request, caller, _no_delivery)


def _no_delivery(connection: HTTPConnection) -> NotFound:
    named = connection.path_params["id"][:60]
    return NotFound(f"There is no delivery {named}. GET /api/v1/deliveries lists yours, of the last 30 days.")


async def _changed(found: WebhookRecord, caller: Caller, **values: Any) -> Response:
    if values:
        await WebhookRecord.filter(id=found.id, project=caller.project).update(**values)
        found.update_from_dict(values)
    return reply(Webhook(**_facts(found)))


async def _sent(request: Request, delivery: UUID) -> Response:
    """Answer with a delivery that is to be tried at once."""
    of(request).sender.wake()
    return reply(_shown(await DeliveryRecord.get(id=delivery), of(request).infra.settings), 202)


async def _page(request: Request, caller: Caller, **which: Any) -> Response:
    asked = query_as(DeliveryQuery, request)
    query = DeliveryRecord.filter(project=caller.project, **which)
    page, cursor = await newest(query, asked.cursor, asked.limit)
    return reply(DeliveryPage(items=[_shown(one, of(request).infra.settings) for one in page], next_cursor=cursor))


async def _secret(caller: Caller) -> Response:
    found = await deliveries.project_secret(caller.project)
    shown = WebhookSecret(secret=found["secret"], old_secret_until=_yet(found["old_until"]))
    return reply(shown, headers=NO_STORE)


def _rotated(old: str, asked: Rotation) -> dict[str, Any]:
    return {
        "secret": new_secret(), "old_secret": old, "old_until": datetime.now(UTC) + timedelta(seconds=asked.old_valid_s)
    }  # fmt: skip


def _told(url: str | None = None, types: list[str] | None = None) -> dict[str, Any]:
    """Return what the audit log says of these: of an address the host, for the rest is often a secret."""
    told = {"host": urlsplit(url).hostname if url else None, "types": types}
    return {name: value for name, value in told.items() if value is not None}


def _facts(record: WebhookRecord) -> dict[str, Any]:
    return {
        "id": record.id, "url": record.url, "types": record.types, "created_at": record.created_at,
        "old_secret_until": _yet(record.old_until), "failing_since": record.failing_since,
        "disabled_at": record.disabled_at, "disabled_reason": record.disabled_reason,
    }  # fmt: skip


def _shown(record: DeliveryRecord, settings: Settings) -> Delivery:
    return Delivery(
        id=record.id, webhook_id=record.webhook_id, job_id=record.job_id, type=record.type,
        body=message(record.body, settings.url), state=record.state, tries=record.tries, due_at=record.due_at,
        log=record.log or [], created_at=record.created_at, finished_at=record.finished_at,
    )  # fmt: skip


def _yet(until: datetime | None) -> datetime | None:
    return until if until and until > datetime.now(UTC) else None


def _once(types: EventTypes) -> list[str]:
    return list(dict.fromkeys(types))


OPERATIONS = (
    list_webhooks, create, secret, rotate_secret, show, change, delete, rotate, enable, ping, list_deliveries,
    list_all, redeliver,
)  # fmt: skip
