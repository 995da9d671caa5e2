"""What NCBI's answers mean when they are not what was asked for.

The services report errors under status 200 as well as 400: E-utilities as text, often quoted for a URL with every
letter by itself (`+Error%3A+...+F+a+i+l+e+d++t+o+...`), as `<ERROR>` or as `{"error": ...}`; and in front of all of
them stands a gateway that sends HTML. A message here never holds what may hold the API key: JSON errors repeat it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from arqsvc.bio.accession import Accession, parse
from arqsvc.errors import ArqsvcError, SourceRefused, SourceUnavailable, Throttled
from arqsvc.families.genomes.compute.sniff import DESCRIPTIONS, sniff, title
from arqsvc.infra.body import hide

ACCESSION_CHARACTERS = 40
"""No accession is longer than this."""

_SHOWN_CHARACTERS = 200

_ERRORS = {
    "json": (r'"message"\s*:\s*"((?:[^"\\]|\\.)*)"', r'"error"\s*:\s*"((?:[^"\\]|\\.)*)"'),
    "xml": (r"(?s)<ERROR>(.*?)(?:</ERROR>|\Z)",),
}
"""Where an error stands, the best place first."""

_SPACED_OUT = re.compile(r"(?<!\S)(?:\S ){2}(?:\S? ){6,}\S?")
"""Letters by themselves, two blanks between words."""

_SECRET = re.compile(r"\b(api[_-]?key|email)\b([\"']?\s*[=:]\s*[\"']?)[^\s&,\"'<]+", re.IGNORECASE)

_BAD_KEY = ("apikeyinvalid", "invalidapikey", "apikeynotvalid", "apikeynotfound")
_TOO_FAST = ("ratelimitexceeded", "toomanyrequests")
_UNKNOWN = ("failedtounderstandid", "idlistisempty", "cannotprocessidlist", "invaliduid", "emptyidlist")
_PASSING = (
    "temporar", "unavailable", "timeout", "timedout", "tryagain", "backend", "servererror", "exception",
    "unabletoobtain", "unabletoconnect", "failedtoretrieve", "forwardingrequest", "couldntresolve", "couldnotconnect",
    "errorreading",
)  # fmt: skip
"""What E-utilities say of themselves when a later try may succeed; under status 400 too."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked for what, as it stands in a sentence."""

    service: str
    """`NCBI E-utilities`."""

    thing: str
    """`nucleotide record NC_000913.3`."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What was sent along and must not be told, should the answer repeat it."""

    def unusable(self, head: bytes, wanted: str) -> ArqsvcError:
        """Return the error for an answer that begins like this and is not what was wanted: `a zip archive`."""
        found, said = sniff(head), self.said(head.decode("utf-8", "replace"))
        if found in ("text", "json", "xml") and (error := self.meaning(said) or self._error_text(found, said)):
            return error
        sent = f"{self.service} sent {DESCRIPTIONS[found]} in place of {wanted} for {self.thing}"
        if found == "html":
            page = _shown(title(head) or "", self.secrets)
            return SourceUnavailable(f"{sent}{f': {page!r}' if page else ''}. It is probably down for a while.")
        if found == "text":
            return SourceUnavailable(f"{sent}: {said!r}. Try again later.")
        if found in ("empty", "binary"):
            return SourceUnavailable(f"{sent}. Try again later.")
        return SourceRefused(f"{sent}. Check that the address of the service is right.")

    def said(self, text: str) -> str:
        """Return what an error body says, in readable words and without what is secret."""
        return plain(text, self.secrets)

    def meaning(self, said: str) -> ArqsvcError | None:
        """Return the error that a known text of NCBI means; None for any other."""
        squeezed = re.sub(r"[^a-z]", "", said.lower())
        if any(word in squeezed for word in _BAD_KEY):
            return SourceRefused(
                "NCBI says that the API key is invalid. Correct ARQSVC_NCBI_API_KEY, or remove it to ask without one."
            )
        if any(word in squeezed for word in _TOO_FAST):
            return Throttled(said)
        if any(word in squeezed for word in _UNKNOWN):
            return self.unknown()
        if any(word in squeezed for word in _PASSING):
            return SourceUnavailable(f"{self.service} cannot serve {self.thing} now and says: {said!r}.")
        return None

    def unknown(self) -> SourceRefused:
        """Return the error for a thing that does not exist."""
        return SourceRefused(f"NCBI has no {self.thing}. Check the accession.")

    def _error_text(self, found: str, said: str) -> ArqsvcError | None:
        """Return the error for a text that says that it is one, and none that we know."""
        if found == "text" and not re.match(r"\W*error\b", said, re.IGNORECASE):
            return None
        if found in ("json", "xml") and said == "":
            return None
        return SourceUnavailable(f"{self.service} sent an error in place of {self.thing}: {said!r}.")


def expecting(wanted: str, asked: Asked) -> Callable[[bytes, str], None]:
    """Return a check of the beginning of an answer: it raises unless that is `wanted`, a word of `sniff`."""

    def check(head: bytes, _: str) -> None:
        if sniff(head) != wanted:
            raise asked.unusable(head, DESCRIPTIONS[wanted])

    return check


def versioned(text: str) -> Accession:
    """Return the accession with its version that NCBI says something is.

    Raises:
        ValueError: it is none, or has no version.
    """
    accession = parse(text)
    if accession.version is None or len(accession.text) > ACCESSION_CHARACTERS:
        raise ValueError(f"{text[:ACCESSION_CHARACTERS]!r} is no accession with its version")
    return accession


def plain(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return what an error body says, in readable words; empty for JSON and XML that name no error.

    >>> plain("+Error%3A+CEFetch%3A%3Aproxy()%3A+F+a+i+l+e+d++t+o++u+n+d+e+r+s+t+a+n+d++i+d+%3A++N+M+_+9+.+9+%0A%0A")
    'Error: CEFetch::proxy(): Failed to understand id: NM_9.9'
    >>> plain('{"error":"API key invalid","api-key":"geheim"}')
    'API key invalid'
    """
    found = sniff(text.encode()[:4096])
    if found in _ERRORS:
        text = next((match[1] for pattern in _ERRORS[found] if (match := re.search(pattern, text))), "")
    if "%3A" in text or text.startswith("+"):
        text = unquote_plus(text)
    text = _SPACED_OUT.sub(lambda run: " ".join(word.replace(" ", "") for word in run[0].split("  ")), text)
    return _shown(text, secrets)


def _shown(text: str, secrets: tuple[str, ...]) -> str:
    """Return the beginning of a text on one line, of letters that can be seen, without what is secret."""
    line = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return _SECRET.sub(r"\1\2(hidden)", hide(line, secrets))[:_SHOWN_CHARACTERS]
