"""The E-utilities: efetch, esummary and esearch on the nucleotide records, in the forms that were recorded."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from arqsvc.bio.accession import parse
from tests.mirror.records import FASTA_COLUMNS, Record, Records
from tests.mirror.server import Answer, Request, json_answer, not_found

FOLDER = "/entrez/eutils"
NUCLEOTIDE = ("nuccore", "nucleotide")
BIG_RECORD_BP = 1_000_000
"""Above this `rettype=gb` gives no sequence."""

XML = '<?xml version="1.0" encoding="UTF-8" ?>\n'
ASN1 = """Seq-entry ::= seq {
  id {
    other {
      accession "%s" ,
      version %d } } ,
  descr {
    title "%s" } ,
  inst {
    repr raw ,
    mol dna ,
    length %d } }
"""


def answer(records: Records, request: Request) -> Answer:
    """Return what one of the programs says."""
    match request.path.removeprefix(FOLDER):
        case "/efetch.fcgi":
            return _efetch(records, request)
        case "/esummary.fcgi":
            return _esummary(records, request)
        case "/esearch.fcgi":
            return _esearch(records, request)
    return not_found(request)


def refusal(reason: str) -> Answer:
    """Return the error of efetch, each letter apart, as a proxy of NCBI writes it."""
    letters = "".join("+" if letter == " " else f"{quote_plus(letter)}+" for letter in reason)
    text = f"+Error%3A+CEFetchPApplication%3A%3Aproxy_stream()%3A+Error%3A+{letters}%0A%0A\n"
    return Answer(400, text.encode(), {"Content-Type": "text/plain; charset=UTF-8"}, chunked=True, encoded=True)


def xml_error(program: str, reason: str) -> Answer:
    """Return the error that the programs put into their XML."""
    return _xml(f"<{program}>\n\t<ERROR>{escape(reason)}</ERROR>\n</{program}>\n")


def over_limit(count: int, limit: int, key: str | None) -> Answer:
    """Return what comes above the budget of requests."""
    who = key or "127.0.0.1"
    document = {"error": "API rate limit exceeded", "api-key": who, "count": str(count), "limit": str(limit)}
    return json_answer(document, 429)


def wrong_key(key: str) -> Answer:
    """Return what comes for a key that does not exist."""
    document = {"error": "API key invalid", "api-key": key, "type": "api-key", "status": "unknown"}
    return json_answer(document, 400)


def asn1(record: Record) -> Answer:
    """Return a record as ASN.1, which is what a parameter that was not understood gives."""
    accession = parse(record.accession)
    text = ASN1 % (accession.base, accession.version or 1, record.title, len(record.sequence))
    return _download("asn1", text.encode())


def _efetch(records: Records, request: Request) -> Answer:
    ids = _ids(request)
    if not ids:
        return refusal("Neither query_key nor id specified")
    if request.query.get("db") not in NUCLEOTIDE:
        return refusal(f"Failed to understand id: {ids[0]}")
    found = []
    for one in ids:
        record = records.record(one)
        if record is None:
            return refusal(f"Failed to understand id: {one}")
        found.append(record)
    rettype = request.query.get("rettype", "")
    if request.query.get("retmode") != "text":
        return asn1(found[0])
    match rettype:
        case "gbwithparts":
            return _download("gb", b"".join(record.text for record in found))
        case "gb":
            return _download("gb", b"".join(_gb(record) for record in found))
        case "fasta":
            return _download("fasta", b"".join(record.fasta(FASTA_COLUMNS) + b"\n" for record in found))
        case "acc":
            return _download("acc", "".join(f"{record.accession}\n" for record in found).encode())
    return asn1(found[0])


def _gb(record: Record) -> bytes:
    return record.contig_only if len(record.sequence) > BIG_RECORD_BP else record.text


def _esummary(records: Records, request: Request) -> Answer:
    ids = _ids(request)
    if not ids or request.query.get("db") not in NUCLEOTIDE:
        wrong = (
            "Invalid db name specified: " + request.query.get("db", "") if ids else "Neither query_key nor id specified"
        )
        return xml_error("eSummaryResult", wrong)
    found = [record for one in ids if (record := records.record(one))]
    if request.query.get("retmode") == "json":
        header = {"type": "esummary", "version": "0.3"}
        if not found:
            return json_answer({"header": header, "error": f"Invalid uid {ids[0]} at position= 0"})
        result = {record.uid: _summary(records, record) for record in found}
        return json_answer({"header": header, "result": {"uids": list(result), **result}})
    if not found:
        return xml_error("eSummaryResult", f"Invalid uid {ids[0]} at position=0")
    return _xml(
        f"<eSummaryResult>\n{''.join(_docsum(_summary(records, record)) for record in found)}</eSummaryResult>\n"
    )


def _docsum(summary: Mapping[str, str | int]) -> str:
    """Return a summary in the older XML."""
    names = {"Caption": "caption", "Title": "title", "Length": "slen", "Status": "status", "ReplacedBy": "replacedby"}
    lines = [f"\t<Id>{summary['uid']}</Id>\n"]
    for name, key in {**names, "AccessionVersion": "accessionversion"}.items():
        kind = "Integer" if isinstance(summary[key], int) else "String"
        lines.append(f'\t<Item Name="{name}" Type="{kind}">{escape(str(summary[key]))}</Item>\n')
    return f"<DocSum>\n{''.join(lines)}</DocSum>\n\n"


def _summary(records: Records, record: Record) -> dict[str, str | int]:
    base = parse(record.accession).base
    newest = records.record(base) or record
    return {
        "uid": record.uid,
        "caption": base,
        "title": record.title,
        "taxid": record.taxon,
        "slen": len(record.sequence),
        "organism": record.organism,
        "accessionversion": record.accession,
        "status": "live" if newest is record else "replaced",
        "replacedby": "" if newest is record else newest.accession,
    }


def _esearch(records: Records, request: Request) -> Answer:
    term = request.query.get("term", "")
    words = [re.sub(r"\[.*\]", "", word).strip() for word in re.split(r"\bOR\b", term)]
    known = request.query.get("db") in NUCLEOTIDE
    uids = [record.uid for word in words if known and (record := records.record(word.upper()))]
    missing = [word for word in words if not (known and records.record(word.upper()))]
    if request.query.get("retmode") == "json":
        result = {"count": str(len(uids)), "retmax": str(len(uids)), "retstart": "0", "idlist": uids}
        errors = {"errorlist": {"phrasesnotfound": missing, "fieldsnotfound": []}} if missing else {}
        header = {"type": "esearch", "version": "0.3"}
        return json_answer({"header": header, "esearchresult": {**result, "querytranslation": term, **errors}})
    found = "".join(f"<Id>{uid}</Id>\n" for uid in uids)
    lost = "".join(f"<PhraseNotFound>{escape(word)}</PhraseNotFound>" for word in missing)
    return _xml(
        f"<eSearchResult><Count>{len(uids)}</Count><RetMax>{len(uids)}</RetMax><RetStart>0</RetStart>"
        f"<IdList>{found}</IdList>{f'<ErrorList>{lost}</ErrorList>' if lost else ''}</eSearchResult>\n"
    )


def _ids(request: Request) -> Sequence[str]:
    return [one.strip().upper() for one in request.query.get("id", "").split(",") if one.strip()]


def _download(extension: str, body: bytes) -> Answer:
    headers = {
        "Content-Type": "text/plain",
        "Content-Disposition": f'attachment; filename="sequence.{extension}"',
        "Cache-Control": "private",
    }
    return Answer(200, body, headers, chunked=True, encoded=True)


def _xml(text: str) -> Answer:
    return Answer(200, (XML + text).encode(), {"Content-Type": "text/xml; charset=UTF-8"}, chunked=True, encoded=True)
