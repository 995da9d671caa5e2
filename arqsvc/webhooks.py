"""Signatures of webhooks, as Standard Webhooks has them: made by the service, checked by who receives.

A receiver needs nothing else of ours, and nothing but the standard library:

    from arqsvc.webhooks import verify

    event = verify(secret, request.headers, body)  # the bytes as they came, before any parsing
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from arqsvc.errors import BadSignature

PREFIX = "whsec_"
SECRET_BYTES = 32
SCHEME = "v1"
TOLERANCE_S = 300.0
"""Seconds by which a message may be older or newer than the receiver's clock says: a recorded one is of no use."""


def new_secret() -> str:
    """Return a fresh secret, as a receiver is told it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(keys: Iterable[str], message: str, at: int, body: bytes) -> str:
    """Return the header `webhook-signature`: one signature for each secret, with spaces between.

    Args:
        keys: the secrets, as `new_secret` makes them.
        message: the header `webhook-id`.
        at: the header `webhook-timestamp`, in seconds since 1970.
        body: the body, as it is sent.

    >>> sign(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
    ...     b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    return " ".join(f"{SCHEME},{_digest(key, message, str(at), body)}" for key in keys)


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> Any:
    """Return the message, parsed, if it was signed with this secret not long ago.

    Keep the ids (`webhook-id`) of what was handled for a while: a message whose answer was lost comes again.

    Args:
        secret: `whsec_...`, of the webhook or of the project.
        headers: of the request; names in any case.
        body: of the request, as it came.
        tolerance_s: how far the time of the message may be from now, in seconds.
        now_s: what counts as now, in seconds since 1970; None for the clock.

    Raises:
        BadSignature: a header is missing, no signature fits, or the message is too old or too new.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message, at, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as error:
        raise BadSignature(f"The header {error.args[0]} is missing: this is no webhook of ours.") from error
    raw = body.encode() if isinstance(body, str) else body
    expected = _digest(secret, message, at, raw)
    if not any(_fits(signature, expected) for signature in signatures.split()):
        raise BadSignature("No signature fits. Take the body as it came, and the secret of this webhook.")
    if not at.isascii() or not at.isdecimal() or len(at) > 12:
        raise BadSignature(f"webhook-timestamp {at[:20]!r} is no number of seconds.")
    off_s = int(at) - (time.time() if now_s is None else now_s)
    if abs(off_s) > tolerance_s:
        raise BadSignature(
            f"The message is {abs(off_s):.0f} s too {'new' if off_s > 0 else 'old'}; {tolerance_s:g} s are allowed. "
            "Set the clock, or refuse it: somebody may send again what was recorded."
        )
    return json.loads(raw)


def _fits(signature: str, expected: str) -> bool:
    scheme, _, digest = signature.partition(",")
    return hmac.compare_digest(digest.encode(), expected.encode()) and scheme == SCHEME


def _digest(secret: str, message: str, at: str, body: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature(f"The secret is not {PREFIX} and base64. Copy it anew.") from error
    signed = b".".join([message.encode(), at.encode(), body])
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
