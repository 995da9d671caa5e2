"""The one wanted file of an NCBI Datasets package, taken out once the whole package has been found sound.

Zip archives that read well have held shortened files (ncbi/datasets issue 331). So every member is read to its end,
which checks its CRC, and held against the package's own `md5sum.txt` where it has one; whether the wanted file is whole
in itself is for `verify.py`. The wanted file lies wherever its path names the assembly: not all who make packages make
folders too.
"""

import hashlib
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from arqsvc.errors import BadInput, OutOfSpace

_CHUNK_BYTES = 1 << 20
_LIST_BYTES = 16 * 1024**2
"""No list of files is longer than this."""

_CATALOG = "ncbi_dataset/data/dataset_catalog.json"
_SUMS = re.compile(r"^([0-9a-f]{32})\s+\*?(?:\./)?(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE)
_OF_GENES = ("cds_from_", "rna_from_")
"""How the names of files begin that end like the wanted one and hold a part of it."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A file that was taken out of a package."""

    size_bytes: int
    sha256: str
    md5: str
    declared_md5: str | None
    """What the package says in `md5sum.txt`, which is what it is; None where it says nothing."""


def unpack_member(package: Path, accession: str, suffix: str, out: Path, room_bytes: int) -> Unpacked:
    """Write the one file of an assembly whose name ends with `suffix`, of a sound package, to `out`.

    Raises:
        BadInput: `broken_zip`, the archive or a member is damaged; `member_mismatch`, a member is not what the package
            declares; `member_missing`, its catalog lists the file, and it is not there; `no_member`, it has no such
            file, or several.
        OutOfSpace: the file has more than `room_bytes`.
    """
    with _open_zip(package) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        wanted = [member for member in members if _is_wanted(member.filename, accession, suffix)]
        if len(wanted) != 1:
            _refuse_without(archive, len(wanted), accession, suffix)
        if (size_bytes := wanted[0].file_size) > room_bytes:  # no more than this is ever read of it
            raise OutOfSpace(
                f"The file of {accession} has {size_bytes:,} bytes, and the disk of the service has room for "
                f"{max(room_bytes, 0):,}. Free space there.",
                needed_bytes=size_bytes,
            )
        declared = _declared(archive)
        with out.open("wb") as target:
            found = _read(archive, wanted[0], declared, target)
        for member in members:
            if member is not wanted[0]:
                _read(archive, member, declared, None)
    return found


def _is_wanted(path: str, accession: str, suffix: str) -> bool:
    """Return whether this is the file of the assembly: its path ends like it, and names the assembly."""
    named = re.search(rf"(?:^|/){re.escape(accession)}(?!\d)", path)
    return bool(named) and path.endswith(suffix) and not path.rpartition("/")[2].startswith(_OF_GENES)


@contextmanager
def _open_zip(package: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; what is damaged of its directory is BadInput."""
    with package.open("rb") as file:
        with _zip_faults():
            archive = zipfile.ZipFile(file)
        with archive:
            yield archive


@contextmanager
def _zip_faults() -> Iterator[None]:
    """Turn what zipfile raises for a damaged archive into BadInput; only what reads it may stand inside."""
    try:
        yield
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, LookupError,
        OverflowError, RuntimeError,
    ) as fault:  # fmt: skip
        raise BadInput(f"the zip archive is damaged: {fault}", reason="broken_zip") from fault


def _refuse(detail: str, reason: str) -> NoReturn:
    raise BadInput(detail, reason=reason)


def _declared(archive: zipfile.ZipFile) -> Mapping[str, str]:
    """Return the MD5 that the package declares, by member."""
    text = _small(archive, "md5sum.txt").decode("utf-8", "replace")
    return {name: md5.lower() for md5, name in _SUMS.findall(text)}


def _refuse_without(archive: zipfile.ZipFile, wanted: int, accession: str, suffix: str) -> NoReturn:
    """Raise BadInput for a package without the one file: later it may be there if the catalog lists it."""
    try:
        listed = list(_listed(json.loads(_small(archive, _CATALOG) or b"{}")))
    except (ValueError, RecursionError) as fault:
        raise BadInput("the catalog of the package is no JSON", reason="member_mismatch") from fault
    if not wanted and (absent := [path for path in listed if _is_wanted(path, accession, suffix)]):
        _refuse(f"the package lists {absent[0]} and does not hold it", "member_missing")
    _refuse(f"the package holds {wanted} files {suffix} of {accession}, not one", "no_member")


def _listed(catalog: Any) -> Iterator[str]:
    """Yield the paths of a catalog, whatever else it holds."""
    if isinstance(catalog, dict):
        for key, value in catalog.items():
            if key == "filePath" and isinstance(value, str):
                yield value
            else:
                yield from _listed(value)
    elif isinstance(catalog, list):
        for value in catalog:
            yield from _listed(value)


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a list of files; empty where there is none."""
    if name not in archive.namelist():
        return b""
    with _zip_faults(), archive.open(name) as member:
        return member.read(_LIST_BYTES)


def _chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member to its end, where its CRC is checked."""
    with _zip_faults(), archive.open(member) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk


def _read(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, sums: Mapping[str, str], target: IO[bytes] | None
) -> Unpacked:
    """Read a member to its end, into the target if there is one."""
    name, declared = member.filename, sums.get(member.filename)
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    for chunk in _chunks(archive, member):
        size += len(chunk)
        md5.update(chunk)
        if target:
            sha256.update(chunk)
            target.write(chunk)
    if declared and md5.hexdigest() != declared:
        _refuse(f"{name} has MD5 {md5.hexdigest()} and the package declares {declared}", "member_mismatch")
    return Unpacked(size, sha256.hexdigest(), md5.hexdigest(), declared)
