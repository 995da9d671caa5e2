"""E-utilities: nucleotide records, one at a time."""

import json
from dataclasses import dataclass
from typing import Any

from arqsvc.bio.accession import Accession
from arqsvc.families.genomes.ncbi.answers import Asked, versioned
from arqsvc.families.genomes.ncbi.service import Remote, Service
from arqsvc.families.genomes.settings import GenomesSettings
from arqsvc.infra.http import Http, Values

_RETTYPES = {"genbank": "gbwithparts", "fasta": "fasta"}
"""`gb` leaves the sequence out of large records."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What E-utilities know of a record without sending it."""

    accession: Accession
    """With its version."""
    length_bp: int


@dataclass(frozen=True, slots=True)
class Eutils:
    """E-utilities, as one who asks in his own name."""

    service: Service
    identity: Values
    """What each request says of who sends it."""

    async def current(self, accession: Accession) -> Accession:
        """Return the accession with its version, the newest where it has none.

        Raises:
            SourceRefused, SourceUnavailable, Throttled: there is none, or no answer.
        """
        asked = _asked(self.service, accession)
        async with self.service.explained(asked):
            body = await self.service.get("efetch.fcgi", params=self._query(accession, rettype="acc", retmode="text"))
            try:
                found = versioned(body.decode("utf-8", "replace"))
            except ValueError:
                found = None
            if found is None or found.base != accession.base:
                raise asked.unusable(body, "an accession with its version")
        return found

    async def summary(self, accession: Accession) -> Summary:
        """Return version and length, the newest version's where the accession has none.

        Raises:
            SourceRefused, SourceUnavailable, Throttled: there is none, or no answer.
        """
        asked = _asked(self.service, accession)
        async with self.service.explained(asked):
            body = await self.service.get("esummary.fcgi", params=self._query(accession, retmode="json"))
            try:
                found = _summary(json.loads(body))
            except (ValueError, RecursionError):
                raise asked.unusable(body, "a summary") from None
            if found is None:
                raise asked.meaning(asked.said(body.decode("utf-8", "replace"))) or asked.unknown()
        return found

    async def record(self, accession: Accession, form: str) -> Remote:
        """Return where the record is, as `genbank` or `fasta`; E-utilities say neither its length nor its digest."""
        return Remote(
            self.service,
            _asked(self.service, accession),
            f"{self.service.url}/efetch.fcgi",
            expects=form,
            params=self._query(accession, rettype=_RETTYPES[form], retmode="text"),
        )

    def _query(self, accession: Accession, **more: str) -> Values:
        return {"db": "nuccore", "id": accession.text, **more, **self.identity}


def open_eutils(http: Http, settings: GenomesSettings) -> Eutils:
    """Return E-utilities as the settings say."""
    who = {"tool": "arqsvc", "email": settings.ncbi_email, "api_key": settings.ncbi_api_key}
    service = Service("NCBI E-utilities", settings.eutils_url, http, settings.ncbi_api_key, settings.ncbi_email)
    return Eutils(service, {name: value for name, value in who.items() if value is not None})


def _asked(service: Service, accession: Accession) -> Asked:
    return service.asked(f"nucleotide record {accession}")


def _summary(answer: Any) -> Summary | None:
    """Return the first entry of an ESummary, None where it has none; raises ValueError for one that cannot be."""
    try:
        entry = answer["result"][answer["result"]["uids"][0]]
        accession, length = str(entry["accessionversion"]), str(entry["slen"])
    except (LookupError, TypeError):
        return None
    return Summary(versioned(accession), int(length))
