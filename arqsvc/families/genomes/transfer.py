"""One source's file: fetched, held against what the source declares of it, and found whole in itself."""

import logging
import shutil
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from arqsvc.errors import ArqsvcError, BadInput, SourceMismatch, SourceRefused, SourceUnavailable
from arqsvc.families.genomes.compute.package import unpack_member
from arqsvc.families.genomes.compute.verify import Verified, verify_fasta, verify_genbank
from arqsvc.families.genomes.ncbi.service import Remote
from arqsvc.infra.body import hide
from arqsvc.infra.http import Fetched
from arqsvc.infra.storage import disk_errors, reserve_bytes
from arqsvc.jobs.context import JobContext

logger = logging.getLogger(__name__)

Locate = Callable[[], Awaitable[Remote]]
Fits = Callable[[Remote, Verified], None]

_VERIFY = {"genbank": verify_genbank, "fasta": verify_fasta}
_FOR_GOOD = {"contig_only", "no_sequence", "protein", "asn1", "xml", "json", "no_member"}
"""Reasons of BadInput that a later try would meet again."""
_ADVICE = {
    "contig_only": " Ask for an assembly that holds it.",
    "no_sequence": " Ask for an assembly that holds it.",
    "no_member": " The assembly may have no annotation; ask for its sequence alone (format fasta).",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file on its way into storage."""

    path: Path
    size_bytes: int
    sha256: str
    md5: str
    declared_md5: str | None
    """What the source, or the package that it was in, says that the MD5 is; None where it says nothing."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A file that is whole, not yet adopted, and where it came from."""

    file: File
    verified: Verified
    remote: Remote
    fetched: Fetched
    """What crossed the network: the file, or the package."""


@dataclass(slots=True)
class Transfer:
    """What one job fetches of one accession, from whichever source."""

    ctx: JobContext
    accession: str
    """As it was resolved, or else as it was asked for."""
    format: str
    transferred_bytes: int = 0
    """What crossed the network for all files that came to their end."""

    async def whole(self, locate: Locate, fits: Fits) -> Whole:
        """Return a source's file, once it is whole and what was asked for.

        Args:
            locate: asks the source where the file is; again before a second go, since it may just have been replaced.
            fits: raises SourceRefused or SourceUnavailable for a whole file that is another one.

        Raises:
            SourceMismatch: twice the same came, and not what the source declares; it is kept aside.
            SourceUnavailable: what came is not whole, or was twice something else.
            SourceRefused, Throttled, OutOfSpace: as the source, or the disk, says.
        """
        remote = await locate()
        fetched = await self._fetch(remote)
        if not _is_declared(remote, fetched):
            logger.warning("not what the source declares; fetched again", extra={"url": fetched.url})
            fetched.path.unlink()
            first, remote = fetched.md5, await locate()
            fetched = await self._fetch(remote)
            if not _is_declared(remote, fetched):
                raise self._mismatch(remote, fetched, first)
        with ExitStack() as undo:
            try:
                file = await self._file(remote, fetched)
                undo.callback(file.path.unlink, missing_ok=True)
                await self.ctx.progress("verify", 0, file.size_bytes, "bytes")
                verified = await self.ctx.compute(_VERIFY[self.format], file.path)
            except BadInput as error:
                raise _not_whole(remote, error) from error
            fits(remote, verified)
            undo.pop_all()
        return Whole(file, verified, remote, fetched)

    async def _fetch(self, remote: Remote) -> Fetched:
        """Bring what a source offers to disk, telling how far it has come."""
        await self.ctx.progress("download", 0, 0, "bytes")
        fetched = await remote.fetch(
            self.ctx.storage.partial(f"{remote.url} {self.accession} {self.format}"),
            self._told,
        )
        self.transferred_bytes += fetched.transferred_bytes
        return fetched

    async def _told(self, done: int, total: int | None) -> None:
        await self.ctx.progress("download", done, total or 0, "bytes")

    async def _file(self, remote: Remote, fetched: Fetched) -> File:
        """Return what was fetched, or what was wanted of it; the package is removed."""
        if remote.member is None:
            return File(fetched.path, fetched.size_bytes, fetched.sha256, fetched.md5, remote.declared_md5)
        with ExitStack() as undo:
            undo.callback(fetched.path.unlink)
            out = self.ctx.storage.partial(str(uuid4()))
            with ExitStack() as unfinished, disk_errors(out.parent):
                unfinished.callback(out.unlink, missing_ok=True)
                room_bytes = shutil.disk_usage(out.parent).free - reserve_bytes(out.parent)
                found = await self.ctx.compute(
                    unpack_member, fetched.path, self.accession, remote.member, out, room_bytes
                )
                unfinished.pop_all()
        return File(out, found.size_bytes, found.sha256, found.md5, found.declared_md5)

    def _mismatch(self, remote: Remote, fetched: Fetched, first: str) -> ArqsvcError:
        """Return the error for a second file that is not as declared either; the same twice is kept for a person."""
        service, name = remote.service.name, remote.name or self.accession
        declared = f"and declares MD5 {remote.declared_md5}"
        if fetched.md5 != first:
            fetched.path.unlink()
            return SourceUnavailable(f"{service} sent {name} twice, with MD5 {first} and {fetched.md5}, {declared}.")
        try:
            kept = self.ctx.storage.set_aside(fetched.path, name, fetched.sha256)
        finally:
            fetched.path.unlink(missing_ok=True)
        return SourceMismatch(
            f"{service} sent {name} twice with MD5 {first} {declared}. What it sent is not used, and kept aside in "
            f"storage as {kept.name}. Ask NCBI, or for another version.",
            declared=remote.declared_md5,
            computed=first,
            kept=kept.name,
        )


def _is_declared(remote: Remote, fetched: Fetched) -> bool:
    return remote.declared_md5 in (None, fetched.md5)


def _not_whole(remote: Remote, error: BadInput) -> ArqsvcError:
    """Return the error for a file that is not sound in itself: for good, or for now."""
    reason = str(error.facts["reason"])
    kind = SourceRefused if reason in _FOR_GOOD else SourceUnavailable
    sent = f"{remote.service.name} sent {remote.asked.thing}, and it cannot be used"
    said = hide(error.detail, remote.asked.secrets)
    return kind(f"{sent}: {said}.{_ADVICE.get(reason, '')}", said=said, reason=reason)
