"""The session of a browser: the token of a one-time link becomes a cookie that no script can read."""

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from arqsvc.api.audit import note
from arqsvc.api.bodies import body_as
from arqsvc.api.gate import COOKIE
from arqsvc.api.held import of
from arqsvc.api.keyring import shown_key
from arqsvc.api.keys import SESSION_LIFE, Caller, KeyKind, KeyRecord, take_link
from arqsvc.api.operation import operation, reply
from arqsvc.contract import Key
from arqsvc.errors import Conflict, Unauthorized


class Token(BaseModel):
    """The body of `POST /session`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    token: str = Field(max_length=200)
    """What stands behind `#t=` in the link that `arqsvc keys link` prints."""


@operation(
    "session.open", "POST", "/session", None, {200: Key}, body=Token, errors=(401, 403, 421, 429), public=True,
    repeatable=False, tells={200: ("Cache-Control",)},
)  # fmt: skip
async def open_session(request: Request, caller: Caller) -> Response:
    """Log a browser in: the token of a one-time link is used up, and a cookie is set that lasts 30 days."""
    gate = of(request).gate
    gate.sites.check_login(request)
    gate.refuse_guesser(request)
    token = (await body_as(Token, request)).token
    try:
        session, secret = await take_link(token)
    except Unauthorized:
        await gate.note_guess(request)
        raise
    await note(Caller(session.id, session.project, session.name, frozenset(), None), "session.open", request)
    answer = reply(shown_key(session), headers={"Cache-Control": "no-store"})
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


@operation("session.show", "GET", "/session", None, {200: Key})
async def show_session(request: Request, caller: Caller) -> Response:
    """Return who is logged in: the session, or the key that was sent."""
    return reply(shown_key(await KeyRecord.get(id=caller.id)), headers={"Cache-Control": "no-store"})


@operation("session.close", "DELETE", "/session", None, {204: None}, errors=(409,))
async def close_session(request: Request, caller: Caller) -> Response:
    """Log out: the session ends with its streams, and its cookie goes. 409 for a key, which has no session."""
    if not await KeyRecord.filter(id=caller.id, kind=KeyKind.SESSION).delete():
        raise Conflict(f"The key {caller.name!r} is no session. `arqsvc keys revoke` ends a key.")
    of(request).readers.look_soon()
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=request.url.scheme == "https")
    return answer


OPERATIONS = (open_session, show_session, close_session)
