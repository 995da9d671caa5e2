"""What some bytes are, by their beginning: the records we want, and what comes in their place."""

import re

SNIFFED_BYTES = 4096
"""So many bytes are enough."""

_MAGIC = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"))
_TEXTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("genbank", re.compile(r"LOCUS[ \t]")),
    ("fasta", re.compile(r">")),
    ("html", re.compile(r"(?is)(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b")),
    ("xml", re.compile(r"<")),
    ("asn1", re.compile(r"[A-Z][A-Za-z-]+ ?::=")),
    ("json", re.compile(r"[{\[]")),
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)

DESCRIPTIONS = {
    "empty": "an empty answer",
    "genbank": "a GenBank flat file",
    "fasta": "FASTA",
    "html": "an HTML page",
    "xml": "XML",
    "asn1": "ASN.1",
    "json": "JSON",
    "gzip": "a gzip file",
    "zip": "a zip archive",
    "binary": "binary data",
    "text": "text",
}
"""Each word that `sniff` returns, as it stands in a sentence."""


def sniff(head: bytes) -> str:
    """Return a word of `DESCRIPTIONS` for what begins like this.

    >>> sniff(b"LOCUS       NC_000932  154478 bp"), sniff(b'\\n{"error": "..."}'), sniff(b"Seq-entry ::= set {")
    ('genbank', 'json', 'asn1')
    """
    for magic, word in _MAGIC:
        if head.startswith(magic):
            return word
    text = head[:SNIFFED_BYTES].decode("latin-1").lstrip()
    if not text:
        return "empty"
    if any(ord(letter) < 32 and letter not in "\t\n\f\r\x1b" for letter in text):
        return "binary"
    return next((word for word, pattern in _TEXTS if pattern.match(text)), "text")


def title(head: bytes) -> str | None:
    """Return the title of an HTML page that begins like this; None where it has none, or an empty one."""
    found = _TITLE.search(head.decode("utf-8", "replace"))
    return " ".join(found[1].split()) or None if found else None
