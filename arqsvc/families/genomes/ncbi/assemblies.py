"""Assemblies: by NCBI Datasets what they are, and from the tree of genomes, or else as a package of Datasets, the file.

The tree comes first: its files have checksums, can be resumed, and lie there as they were released. A package is made
for each who asks.
"""

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arqsvc.bio.accession import Accession
from arqsvc.errors import SourceRefused, SourceUnavailable, Throttled
from arqsvc.families.genomes.ncbi.answers import Asked, versioned
from arqsvc.families.genomes.ncbi.service import Remote, Service
from arqsvc.families.genomes.settings import GenomesSettings
from arqsvc.infra.http import Http, Values

logger = logging.getLogger(__name__)

NOT_FOUND = 404

_TREE_SUFFIXES = {"genbank": "_genomic.gbff.gz", "fasta": "_genomic.fna.gz"}
_PACKAGED = {"genbank": ("GENOME_GBFF", "genomic.gbff"), "fasta": ("GENOME_FASTA", "_genomic.fna")}
"""What Datasets calls a format, and how the names of such files in a package end."""

NAME_CHARACTERS = 150
"""No name of an assembly is longer than this, and no word about its state."""

_LINK = re.compile(
    rf"""href=["'](?:[^"']*/)?(GC[AF]_\d{{9}}\.\d{{1,3}}_[\w.,;:+=@!()~%-]{{1,{NAME_CHARACTERS}}})/?["']""",
    re.IGNORECASE | re.ASCII,
)
_SUM = re.compile(r"^([0-9a-f]{32})\s+\*?(?:\S*/)?([^\s/]+)\s*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Assembly:
    """An assembly, as it was resolved."""

    accession: Accession
    """With its version."""
    name: str | None = None
    """`ASM584v2`; as Datasets writes it, or as it stands in a path of the tree. None where nobody has said."""
    status: str | None = None
    """What Datasets says of it: `current`, `previous`, `suppressed`, ...; None where it has not."""
    length_bp: int | None = None
    """Nucleotides of the assembly; the file may hold more (organelles). None where Datasets has not said."""

    @property
    def folder(self) -> str | None:
        """Its folder in the tree, as NCBI derives it from the name; None where that is not known."""
        return self.name and f"{self.accession}_{re.sub(r'[^A-Za-z0-9._+-]', '_', self.name)}"


@dataclass(frozen=True, slots=True)
class Assemblies:
    """Datasets and the tree of genomes."""

    datasets: Service
    tree: Service

    async def resolve(self, accession: Accession) -> Assembly:
        """Return the assembly, the newest version where the accession has none; Datasets knows it, or the tree.

        Where Datasets does not report, an accession with its version says enough to ask for the file.

        Raises:
            SourceRefused, SourceUnavailable, Throttled: there is none, or no answer.
        """
        try:
            found = await self._reported(accession)
        except (SourceRefused, SourceUnavailable, Throttled) as error:
            logger.warning("Datasets does not report", extra={"accession": accession.text, "error": error.detail})
            if accession.version is not None:
                return Assembly(accession)
            if isinstance(error, Throttled):
                raise
            try:
                return await self._listed(accession)
            except (SourceRefused, SourceUnavailable) as second:
                detail = f"{error.detail} And: {second.detail}" if error.detail != second.detail else error.detail
                both = type(second if isinstance(second, SourceUnavailable) else error)
                raise both(detail, **second.facts) from error
        return found or await self._listed(accession)

    async def in_tree(self, assembly: Assembly, form: str) -> Remote:
        """Return where the file is in the tree, with its MD5 if one is declared; `form` is `genbank` or `fasta`.

        Raises:
            SourceRefused, SourceUnavailable, Throttled: it is not there, or no answer.
        """
        asked = _asked(self.tree, assembly.accession)
        async with self.tree.explained(asked):
            folder, body = await self._checksums(assembly)
            sums = {name: md5.lower() for md5, name in _SUM.findall((body or b"").decode("utf-8", "replace"))}
            if body is not None and not sums:
                raise asked.unusable(body, "a list of checksums")
        name = folder.rpartition("/")[2] + _TREE_SUFFIXES[form]
        if sums and name not in sums:
            raise SourceRefused(f"{self.tree.name} has no file {name}: the assembly may have no annotation there.")
        url = f"{self.tree.url}/{folder}/{name}"
        return Remote(self.tree, asked, url, expects="gzip", name=name, declared_md5=sums.get(name))

    async def package(self, assembly: Assembly, form: str) -> Remote:
        """Return where the package of Datasets is, a zip archive with the file among others; `form` as above."""
        kind, suffix = _PACKAGED[form]
        return Remote(
            self.datasets,
            _asked(self.datasets, assembly.accession),
            f"{self.datasets.url}/genome/accession/{assembly.accession}/download",
            expects="zip",
            params={
                "include_annotation_type": kind,
                "hydrated": "FULLY_HYDRATED",
                "filename": f"{assembly.accession}.zip",
            },
            headers=_key_header(self.datasets),
            name=f"{assembly.accession}_genomic{Path(suffix).suffix}",
            member=suffix,
        )

    async def _reported(self, accession: Accession) -> Assembly | None:
        """Return what Datasets reports; None where it knows nothing."""
        asked = _asked(self.datasets, accession)
        async with self.datasets.explained(asked):
            path = f"genome/accession/{accession}/dataset_report"
            body = await self.datasets.get(path, headers=_key_header(self.datasets))
            try:
                found = [_assembly(report) for report in json.loads(body).get("reports") or []]
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                raise asked.unusable(body, "a report") from None
        fitting = [one for one in found if accession.text in (one.accession.text, one.accession.base)]
        return max(fitting, key=lambda one: one.accession.version or 0, default=None)

    async def _listed(self, accession: Accession) -> Assembly:
        """Return what the tree lists, the newest version where the accession has none."""
        asked = _asked(self.tree, accession)
        async with self.tree.explained(asked):
            folder = await self._folder(accession)
            if folder is None:
                raise asked.unknown()
        prefix, version, name = folder.split("_", 2)
        return Assembly(versioned(f"{prefix}_{version}"), name)

    async def _checksums(self, assembly: Assembly) -> tuple[str, bytes | None]:
        """Return the assembly's folder in the tree and its checksums, None where it has none there.

        The tree is asked for the folder if need be.
        """
        parent = _parent(assembly.accession)
        if assembly.folder:
            folder = f"{parent}/{assembly.folder}"
            if (sums := await self._found(f"{folder}/md5checksums.txt")) is not None:
                return folder, sums
        listed = await self._folder(assembly.accession)
        if listed is None:
            raise SourceRefused(f"{self.tree.name} does not hold assembly {assembly.accession}.")
        return f"{parent}/{listed}", await self._found(f"{parent}/{listed}/md5checksums.txt")

    async def _folder(self, accession: Accession) -> str | None:
        """Return the name of the folder that the tree has of an accession, of its newest version if it has none."""
        page = await self._found(f"{_parent(accession)}/") or b""
        begin = f"{accession}." if accession.version is None else f"{accession}_"
        folders = [name for name in _LINK.findall(page.decode("utf-8", "replace")) if name.startswith(begin)]
        return max(folders, key=_version, default=None)

    async def _found(self, path: str) -> bytes | None:
        """Return what the tree has at a path; None where it has nothing there."""
        try:
            return await self.tree.get(path)
        except SourceRefused as error:
            if error.facts.get("status") != NOT_FOUND:
                raise
        return None


def open_assemblies(http: Http, settings: GenomesSettings) -> Assemblies:
    """Return Datasets and the tree as the settings say."""
    return Assemblies(
        Service("NCBI Datasets", settings.datasets_url, http, settings.ncbi_api_key, settings.ncbi_email),
        Service("NCBI's tree of genomes", settings.genomes_url, http),
    )


def _parent(accession: Accession) -> str:
    """Return the folder below which the tree has all versions of an assembly.

    >>> _parent(versioned("GCF_000005845.2"))
    'all/GCF/000/005/845'
    """
    prefix, digits = accession.base.split("_")
    return f"all/{prefix}/{digits[:3]}/{digits[3:6]}/{digits[6:]}"


def _version(folder: str) -> int:
    """Return the version of the accession that a folder is named for."""
    return int(folder.split(".")[1].partition("_")[0])


def _asked(service: Service, accession: Accession) -> Asked:
    return service.asked(f"assembly {accession}")


def _key_header(service: Service) -> Values:
    return {"api-key": service.key} if service.key else {}


def _assembly(report: Any) -> Assembly:
    """Return what one report says; raises LookupError, TypeError or ValueError for another shape."""
    info = report["assembly_info"]
    length = report.get("assembly_stats", {}).get("total_sequence_length")
    return Assembly(
        accession=versioned(str(report["accession"])),
        name=_word(info["assembly_name"]),
        status=_word(info["assembly_status"]) if "assembly_status" in info else None,
        length_bp=int(str(length)) if length is not None else None,
    )


def _word(text: Any) -> str:
    """Return a name that can stand in a path and in a database; raises ValueError for another."""
    word = str(text)
    if not (word.isprintable() and 0 < len(word) <= NAME_CHARACTERS):
        raise ValueError("it is no name")
    return word
