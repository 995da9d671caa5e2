"""The one wanted file of an NCBI Datasets package, taken out once the whole package has been found sound.

Zip archives that read well have held shortened files (ncbi/datasets issue 331). So every member is read to its end,
which checks its CRC, and held against the package's own `md5sum.txt` and catalog where it has them; whether the wanted
file is whole in itself is for `verify.py`.
"""

import hashlib
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from arqsvc.errors import BadInput

_CHUNK_BYTES = 1 << 20
_LIST_BYTES = 16 * 1024**2
"""No list of files is longer than this."""

_DATA = "ncbi_dataset/data/"
_CATALOG = f"{_DATA}dataset_catalog.json"
_SUMS = re.compile(r"^([0-9a-f]{32})\s+\*?(?:\./)?(\S.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A file that was taken out of a package."""

    size_bytes: int
    sha256: str
    md5: str
    declared_md5: str | None
    """What the package says in `md5sum.txt`, which is what it is; None where it says nothing."""


def unpack_member(package: Path, accession: str, suffix: str, out: Path) -> Unpacked:
    """Write the one file of an assembly whose name ends with `suffix`, of a sound package, to `out`.

    Raises:
        BadInput: `broken_zip`, the archive or a member is damaged; `member_mismatch`, a member is not what the package
            declares; `member_missing`, a file of its catalog is not in it; `no_member`, it is complete and has no such
            file, or several.
    """
    with _zip_faults(), zipfile.ZipFile(package) as archive:
        names = [member.filename for member in archive.infolist() if not member.is_dir()]
        wanted = [name for name in names if name.startswith(f"{_DATA}{accession}/") and name.endswith(suffix)]
        declared = _declared(archive, names)
        _refuse_unless_complete(archive, names)
        found: Unpacked | None = None
        for name in names:
            with archive.open(name) as member:
                if wanted == [name]:
                    with out.open("wb") as target:
                        found = _read(member, declared.get(name), name, target)
                else:
                    _read(member, declared.get(name), name, None)
    if found is None:
        _refuse(f"the package holds {len(wanted)} files {suffix} of {accession}, not one", "no_member")
    return found


@contextmanager
def _zip_faults() -> Iterator[None]:
    """Turn what zipfile raises for a damaged archive into BadInput."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError) as fault:
        raise BadInput(f"the zip archive is damaged: {fault}", reason="broken_zip") from fault


def _refuse(detail: str, reason: str) -> NoReturn:
    raise BadInput(detail, reason=reason)


def _declared(archive: zipfile.ZipFile, names: list[str]) -> Mapping[str, str]:
    """Return the MD5 that the package declares, by member."""
    if "md5sum.txt" not in names:
        return {}
    text = _small(archive, "md5sum.txt").decode("utf-8", "replace")
    return {name: md5 for md5, name in _SUMS.findall(text)}


def _refuse_unless_complete(archive: zipfile.ZipFile, names: list[str]) -> None:
    """Raise BadInput where a file that the catalog lists is not there."""
    if _CATALOG not in names:
        return
    try:
        listed = list(_listed(json.loads(_small(archive, _CATALOG))))
    except ValueError as fault:
        raise BadInput(f"the catalog of the package is no JSON: {fault}", reason="member_mismatch") from fault
    if absent := [path for path in listed if f"{_DATA}{path}" not in names]:
        _refuse(f"the package lists {absent[0]} and does not hold it", "member_missing")


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
    with archive.open(name) as member:
        return member.read(_LIST_BYTES)


def _read(member: IO[bytes], declared: str | None, name: str, target: IO[bytes] | None) -> Unpacked:
    """Read a member to its end, where its CRC is checked, and into the target."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    while chunk := member.read(_CHUNK_BYTES):
        size += len(chunk)
        md5.update(chunk)
        if target:
            sha256.update(chunk)
            target.write(chunk)
    if declared and md5.hexdigest() != declared:
        _refuse(f"{name} has MD5 {md5.hexdigest()} and the package declares {declared}", "member_mismatch")
    return Unpacked(size, sha256.hexdigest(), md5.hexdigest(), declared)
