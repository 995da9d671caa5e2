"""Tickets: who cannot send a header opens one stream by a secret in its URL that is good for nothing else."""

from datetime import UTC, datetime, timedelta

from starlette.requests import HTTPConnection

from arqsvc.api.gate import authenticate
from arqsvc.api.held import of
from arqsvc.api.keys import Caller, KeyKind, KeyRecord, new_secret, take_ticket
from arqsvc.contract import Ticket
from arqsvc.errors import Unauthorized

LIFE = timedelta(seconds=60)
KEYS = frozenset({"key", "api_key", "apikey", "x-api-key", "token", "access_token", "authorization"})
"""Names under which people put a key into a URL."""


async def make_ticket(caller: Caller) -> Ticket:
    """Return a new ticket: for a minute and one stream it stands for its caller, as long as that is good."""
    now = datetime.now(UTC)
    await KeyRecord.filter(kind=KeyKind.TICKET, expires_at__lt=now).delete()
    _, ticket = await new_secret(
        KeyKind.TICKET, project=caller.project, name=caller.name, scopes=caller.scopes, life=LIFE, parent=caller.id
    )
    return Ticket(ticket=ticket, expires_at=now + LIFE)


async def admit(connection: HTTPConnection) -> Caller:
    """Return who wants to read a stream: by `?ticket=`, which is used up, or as with every other request.

    Raises:
        Unauthorized: the ticket was used or has expired, or a key stands in the URL.
        RateLimited: it comes too often.
    """
    if named := KEYS.intersection(map(str.lower, connection.query_params)):
        raise Unauthorized(
            f"A key in a URL ({min(named)}=) is kept in logs and histories, and refused. Send it as a header, or POST "
            "/api/v1/tickets and put that `?ticket=` there."
        )
    if (secret := connection.query_params.get("ticket")) is None:
        return await authenticate(connection)
    gate = of(connection).gate
    gate.refuse_guesser(connection)
    if (caller := await take_ticket(secret)) is None:
        await gate.note_guess(connection)
        raise Unauthorized(
            "This ticket was used before, is older than a minute, or is none; or the key that made it is revoked. "
            "POST /api/v1/tickets makes a new one."
        )
    return caller
