"""What an answer of NCBI means, in words that can be read and tell no secret."""

from typing import Any

import pytest

from arqsvc.errors import ArqsvcError, SourceRefused, SourceUnavailable, Throttled
from arqsvc.families.genomes.ncbi.answers import Asked, plain, versioned

SAID: list[tuple[str, Any]] = [
    ('{"error":"error forwarding request","api-key":"10.0.0.1","type":"ip","status":"ok"}', SourceUnavailable),
    ("Error: Failed to retrieve sequence: NC_1.1", SourceUnavailable),
    ("ID list is empty! Possibly it has no correct IDs.", SourceRefused),
    ("<ERROR>Empty id list - nothing todo</ERROR>", SourceRefused),
    ("Resource temporarily unavailable", SourceUnavailable),
    ('{"error":"Too many requests"}', Throttled),
    ("Error: something that nobody has met", SourceUnavailable),
    ("{}", SourceRefused),
    ("words that mean nothing", SourceUnavailable),
    ("\0\1\2", SourceUnavailable),
]


@pytest.mark.parametrize(("body", "expected"), SAID)
def test_a_body_means_one_thing(body: str, expected: type[ArqsvcError]) -> None:
    assert type(Asked("NCBI", "record X").unusable(body.encode(), "a GenBank flat file")) is expected


SECRETS = ("K3Y/0", "me+x@example.org")
REPEATED: list[str] = [
    "Error: the key K3Y/0 of me+x@example.org has no rights",
    "Error: GET /efetch.fcgi?k=K3Y%2F0&from=me%2Bx%40example.org",
    "Error%3A+K3Y%252F0 K3Y%2F0 me%2Bx%40example.org",
    '{"error":"the key K3Y/0 is odd"}',
    "<ERROR>who is me+x@example.org with k3y%2f0</ERROR>",
    "<html><title>K3Y/0 and me%2bx%40example.org</title>",
    "words of K3Y/0, and no error",
]


@pytest.mark.parametrize("text", REPEATED)
def test_what_was_sent_along_is_not_told(text: str) -> None:
    asked = Asked("NCBI", "record X", SECRETS)
    for error in (asked.unusable(text.encode(), "a GenBank flat file"), SourceRefused(asked.said(text))):
        assert "(hidden)" in error.detail
        for secret in ("K3Y/0", "K3Y%2F0", "me+x", "me%2Bx"):
            assert secret.lower() not in error.detail.lower()
    assert "K3Y" not in repr(asked)


def test_a_message_has_letters_only_that_can_be_seen() -> None:
    error = Asked("NCBI", "record X").unusable(b"<html><title>\x1b[31m red\x07 </title>", "a GenBank flat file")
    assert error.detail.isprintable()
    assert plain("Error: \x1b[2J\u202e\x00x") == "Error: [2Jx"
    assert len(Asked("NCBI", "X").unusable(b"<title>" + b"x" * 3000 + b"</title>", "FASTA").detail) < 400


def test_words_of_ncbi_are_readable_and_hide_what_is_secret() -> None:
    spaced = "+Error%3A+F+a+i+l+e+d++t+o++u+n+d+e+r+s+t+a+n+d++i+d+%3A++N+M+_+9+.+9+%0A%0A"
    assert plain(spaced) == "Error: Failed to understand id: NM_9.9"
    assert plain("Error: F a i l e d  t o  u n d e r s t a n d  i d") == "Error: Failed to understand id"
    assert plain("bad: /efetch.fcgi?id=1&api_key=geheim&email=a@b.c") == (
        "bad: /efetch.fcgi?id=1&api_key=(hidden)&email=(hidden)"
    )
    assert plain('{"status":{"x":1},"error":"Not Found","message":"No assembly \\"x\\""}') == 'No assembly \\"x\\"'
    assert plain("a b c d is no spaced text") == "a b c d is no spaced text"
    assert len(plain("x" * 5000)) == 200


@pytest.mark.parametrize("text", ["NC_000932", "", "x", "NC_000932.1/../../x", "NC_000932.<b>", f"NC_{'1' * 300}.1"])
def test_what_is_no_accession_with_its_version_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError, match="accession"):
        versioned(text)
    assert versioned(" nc_000932.1 ").text == "NC_000932.1"
