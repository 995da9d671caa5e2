"""How an accession becomes a verified file in storage: it lies there already, or the first source brings it whole."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arqsvc.bio.accession import Accession, Kind, parse
from arqsvc.errors import SourceAway, SourceMismatch, SourceRefused, SourceUnavailable
from arqsvc.families.genomes.compute.verify import Verified
from arqsvc.families.genomes.models import DownloadRecord
from arqsvc.families.genomes.ncbi.answers import versioned
from arqsvc.families.genomes.ncbi.assemblies import open_assemblies
from arqsvc.families.genomes.ncbi.eutils import Eutils, open_eutils
from arqsvc.families.genomes.ncbi.service import Remote
from arqsvc.families.genomes.params import Download, Downloaded
from arqsvc.families.genomes.settings import GenomesSettings
from arqsvc.families.genomes.transfer import Locate, Transfer, Whole
from arqsvc.infra.storage import Stored
from arqsvc.jobs.context import JobContext

logger = logging.getLogger(__name__)

_SUFFIXES = {"genbank": ".gb", "fasta": ".fasta"}


@dataclass(frozen=True, slots=True)
class _Resolved:
    """What was asked for, as NCBI has it now."""

    accession: Accession
    """What the sources are asked for, and must send; without its version where only the record itself will tell."""
    sources: Sequence[Locate]
    """Where it is to be had, the best first."""
    length_bp: int | None = None
    """Nucleotides; of a record exactly, of an assembly at least; None where nobody said."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else is worth keeping."""


async def downloaded(ctx: JobContext, params: Download) -> Downloaded:
    """Return what lies verified in storage now, as the job's one file; fetched only if it was not there.

    Raises:
        SourceRefused, SourceMismatch, SourceUnavailable, Throttled, OutOfSpace: why it cannot be had.
    """
    accession = parse(params.accession)
    await ctx.progress("resolve", 0, 1)
    if accession.version is not None and (kept := await _kept(ctx, params, accession.text)):
        return kept
    resolve = _assembly if accession.kind is Kind.ASSEMBLY else _record
    resolved = await resolve(ctx, params, accession)
    if resolved.accession != accession and (kept := await _kept(ctx, params, resolved.accession.text)):
        return kept
    transfer = Transfer(ctx, resolved.accession.text, params.format)
    whole = await _first_whole(transfer, resolved)
    row = await _adopted(ctx, params, whole, resolved)
    return await _published(ctx, params, row, transferred_bytes=transfer.transferred_bytes)


async def _record(ctx: JobContext, params: Download, accession: Accession) -> _Resolved:
    """Return where a nucleotide record is; its version is asked for first where that may save a transfer."""
    eutils = open_eutils(ctx.http, ctx.configured(GenomesSettings))
    length_bp = None
    if params.format == "fasta":
        accession, length_bp = await _summarised(eutils, accession)
    elif accession.version is None and await DownloadRecord.exists(
        accession__startswith=f"{accession.base}.", format=params.format
    ):
        try:
            accession = await eutils.current(accession)
        except (SourceRefused, SourceUnavailable) as error:  # it would have saved a transfer, and no more
            logger.warning("no version was told", extra={"accession": accession.text, "error": error.detail})

    async def source() -> Remote:
        return await eutils.record(accession, params.format)

    return _Resolved(accession, (source,), length_bp)


async def _summarised(eutils: Eutils, accession: Accession) -> tuple[Accession, int | None]:
    """Return the accession and length that E-utilities say a record has; as it is, and None, where they cannot say."""
    try:
        summary = await eutils.summary(accession)
    except SourceRefused as error:
        if "status" not in error.facts:
            raise
        logger.warning("no length was told", extra={"accession": accession.text, "error": error.detail})
        return accession, None
    if accession.version is not None and accession.base == summary.accession.base:
        return accession, summary.length_bp if accession == summary.accession else None
    return summary.accession, summary.length_bp


async def _assembly(ctx: JobContext, params: Download, accession: Accession) -> _Resolved:
    """Return where an assembly is to be had: in the tree of genomes, and else in a package of Datasets."""
    assemblies = open_assemblies(ctx.http, ctx.configured(GenomesSettings))
    assembly = await assemblies.resolve(accession)
    if assembly.status not in (None, "current"):
        logger.warning("the assembly is not current", extra={"accession": accession.text, "status": assembly.status})
    return _Resolved(
        assembly.accession,
        (lambda: assemblies.in_tree(assembly, params.format), lambda: assemblies.package(assembly, params.format)),
        assembly.length_bp,
        {"assembly_name": assembly.name, "assembly_status": assembly.status},
    )


async def _first_whole(transfer: Transfer, resolved: _Resolved) -> Whole:
    """Return the file of the first source that serves it; says what each said if none does."""
    failed: list[SourceRefused | SourceUnavailable] = []

    def fits(remote: Remote, verified: Verified) -> None:
        _refuse_another(resolved, remote, verified)

    for locate in resolved.sources:
        try:
            return await transfer.whole(locate, fits)
        except SourceMismatch:
            raise
        except (SourceRefused, SourceUnavailable) as error:
            logger.warning("a source failed", extra={"accession": transfer.accession, "error": error.detail})
            failed.append(error)
    if len(failed) == 1:
        raise failed[0]
    status = resolved.facts.get("assembly_status")
    said = "" if status in (None, "current") else f" NCBI says that this assembly is {status}."
    later = {type(error) for error in failed if isinstance(error, SourceUnavailable)}
    kind = (SourceAway if later == {SourceAway} else SourceUnavailable) if later else SourceRefused
    raise kind(" ".join(dict.fromkeys(error.detail for error in failed)) + said) from failed[-1]


def _refuse_another(resolved: _Resolved, remote: Remote, verified: Verified) -> None:
    """Raise SourceRefused for a record that was not asked for, SourceUnavailable for one that lacks a part."""
    service, accession, length_bp = remote.service.name, resolved.accession, resolved.length_bp
    if accession.kind is Kind.ASSEMBLY:  # what has a checksum needs no other proof
        if remote.declared_md5 is None and length_bp and verified.length_bp < length_bp:
            raise SourceUnavailable(
                f"{service} sent {verified.length_bp:,} bp of {remote.asked.thing}, which has {length_bp:,} bp."
            )
        return
    sent = verified.accessions[0]
    try:
        versioned(sent)
    except ValueError as error:
        raise SourceUnavailable(
            f"{service} sent {remote.asked.thing} with VERSION {remote.asked.said(sent)!r}, which is none."
        ) from error
    if verified.records != 1 or not _answers(sent, accession, verified):
        more = f" and {verified.records - 1} more" if verified.records > 1 else ""
        raise SourceRefused(
            f"{service} was asked for {accession} and sent {sent}{more}.", asked=accession.text, sent=sent
        )
    if length_bp is not None and verified.length_bp != length_bp:
        raise SourceUnavailable(
            f"{service} sent {verified.length_bp:,} bp of {remote.asked.thing}, which has {length_bp:,} bp."
        )


def _answers(sent: str, accession: Accession, verified: Verified) -> bool:
    """Return whether a record is what an accession means: that version, or the newest, or what it is part of by now."""
    base = sent.partition(".")[0]
    if accession.base == base:
        return accession.version is None or accession.text == sent
    return accession.base in verified.also


async def _adopted(ctx: JobContext, params: Download, whole: Whole, resolved: _Resolved) -> DownloadRecord:
    """Move the file into storage, and write down what it is and where it came from."""
    is_assembly = resolved.accession.kind is Kind.ASSEMBLY
    accession = (resolved.accession if is_assembly else versioned(whole.verified.accessions[0])).text
    stored = await ctx.storage.adopt(whole.file.path, whole.file.sha256)
    row = DownloadRecord(
        accession=accession,
        format=params.format,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        name=whole.remote.name or f"{accession}{_SUFFIXES[params.format]}",
        records=whole.verified.records,
        length_bp=whole.verified.length_bp,
        provenance={
            "source": whole.remote.service.name,
            "url": whole.fetched.url,
            "md5": whole.file.md5,
            "declared_md5": whole.file.declared_md5,
            "declared_bytes": whole.fetched.declared_bytes,
            "etag": whole.fetched.etag,
            "last_modified": whole.fetched.last_modified,
            "package_sha256": whole.fetched.sha256 if whole.remote.member else None,
            **resolved.facts,
        },
        retrieved_at=datetime.now(UTC),
    )
    changed = ("sha256", "size_bytes", "name", "records", "length_bp", "provenance", "retrieved_at")
    await DownloadRecord.bulk_create([row], on_conflict=("accession", "format"), update_fields=changed)
    return row


async def _kept(ctx: JobContext, params: Download, accession: str) -> Downloaded | None:
    """Return what was downloaded before, as this job's file; None if it was not, or its content is gone."""
    row = await DownloadRecord.get_or_none(accession=accession, format=params.format)
    if row is None:
        return None
    content = ctx.storage.path(row.sha256)
    if await asyncio.to_thread(_sha256, content) != row.sha256:
        logger.warning("what was downloaded is not in storage any more, or damaged", extra={"accession": accession})
        content.unlink(missing_ok=True)
        return None
    return await _published(ctx, params, row, transferred_bytes=None)


def _sha256(content: Path) -> str | None:
    """Return the digest of what lies there; None where nothing can be read."""
    try:
        with content.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


async def _published(
    ctx: JobContext, params: Download, row: DownloadRecord, *, transferred_bytes: int | None
) -> Downloaded:
    """Make stored content the job's file; `transferred_bytes` is None where nothing had to be fetched."""
    ctx.publish_stored(Stored(row.sha256, row.size_bytes), row.name)
    await ctx.progress("complete", 1)
    return Downloaded(
        requested=params.accession,
        accession=row.accession,
        format=params.format,
        name=row.name,
        records=row.records,
        length_bp=row.length_bp,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        md5=row.provenance["md5"],
        declared_md5=row.provenance["declared_md5"],
        source=row.provenance["source"],
        url=row.provenance["url"],
        retrieved_at=row.retrieved_at,
        reused=transferred_bytes is None,
        transferred_bytes=transferred_bytes or 0,
    )
