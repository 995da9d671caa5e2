"""What a receiver checks."""

import subprocess
import sys

import pytest

from arqsvc.errors import BadSignature
from arqsvc.webhooks import new_secret, sign, verify

NOW = 1_800_000_000
BODY = b'{"type":"job.succeeded"}'
SECRET, OTHER = new_secret(), new_secret()


def headers(*secrets: str, at: int = NOW, body: bytes = BODY) -> dict[str, str]:
    return {
        "Webhook-Id": "msg_1", "Webhook-Timestamp": str(at), "Webhook-Signature": sign(secrets, "msg_1", at, body),
    }  # fmt: skip


@pytest.mark.parametrize("signers", [(SECRET,), (OTHER, SECRET), (SECRET, OTHER)])
@pytest.mark.parametrize("body", [BODY, BODY.decode()])
def test_one_signature_that_fits_is_enough(signers: tuple[str, ...], body: bytes | str) -> None:
    assert verify(SECRET, headers(*signers), body, now_s=NOW + 299) == {"type": "job.succeeded"}


@pytest.mark.parametrize(
    ("given", "body", "now_s", "said"),
    [
        (headers(OTHER), BODY, NOW, "No signature fits"),
        (headers(SECRET), BODY + b" ", NOW, "No signature fits"),
        (headers(SECRET) | {"Webhook-Id": "msg_2"}, BODY, NOW, "No signature fits"),
        (headers(SECRET) | {"Webhook-Timestamp": str(NOW + 1)}, BODY, NOW, "No signature fits"),
        (headers(SECRET) | {"Webhook-Signature": "v2" + sign([SECRET], "msg_1", NOW, BODY)[2:]}, BODY, NOW, "No sig"),
        (headers(SECRET) | {"Webhook-Signature": "v1,é nonsense"}, BODY, NOW, "No signature fits"),
        (headers(SECRET), BODY, NOW + 301, "too old"),
        (headers(SECRET), BODY, NOW - 301, "too new"),
        ({"webhook-id": "msg_1"}, BODY, NOW, "webhook-timestamp is missing"),
    ],
)
def test_all_else_is_refused(given: dict[str, str], body: bytes, now_s: int, said: str) -> None:
    with pytest.raises(BadSignature, match=said):
        verify(SECRET, given, body, now_s=now_s)


def test_a_secret_that_is_none_is_said() -> None:
    with pytest.raises(BadSignature, match="Copy it anew"):
        verify("whsec_?", headers(SECRET), BODY, now_s=NOW)


def test_the_verifier_needs_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules); import arqsvc.webhooks; new = set(sys.modules) - before; "
        "print(sorted({name.split('.')[0] for name in new} - sys.stdlib_module_names))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "['arqsvc']"
