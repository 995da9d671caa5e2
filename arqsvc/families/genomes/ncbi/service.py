"""One service of NCBI, asked within its budget; what it offers for download; its errors in our words."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from arqsvc.errors import ArqsvcError, SourceRefused, SourceUnavailable, Throttled
from arqsvc.families.genomes.ncbi.answers import Asked, expecting
from arqsvc.infra.budget import Budget
from arqsvc.infra.http import Fetched, Http, OnBytes, Values

PER_S, PER_S_WITH_KEY = 3, 10
"""Requests a second that NCBI allows to everybody, and to those who send a key."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service and how it is reached."""

    name: str
    """As it stands in a sentence: `NCBI E-utilities`."""
    url: str
    """Its folder, without a slash at the end."""
    http: Http
    key: SecretStr | None = None
    """The API key that is sent to it."""
    email: SecretStr | None = None
    """The e-mail address of who asks; like the key it is hidden in what the service says."""

    @property
    def budget(self) -> Budget:
        """What may be asked of its host with this key."""
        host = urlsplit(self.url).netloc
        if self.key is None:
            return Budget(host, PER_S)
        return Budget(f"{host} {hashlib.sha256(self.key.get_secret_value().encode()).hexdigest()[:12]}", PER_S_WITH_KEY)

    def asked(self, thing: str) -> Asked:
        """Return what is asked for, as its errors name it, with what they must not tell."""
        return Asked(self.name, thing, tuple(secret.get_secret_value() for secret in (self.key, self.email) if secret))

    async def get(self, path: str, *, params: Values | None = None, headers: Values | None = None) -> bytes:
        """Return a small answer, whole; ask inside of `explained`."""
        answer = await self.http.get(f"{self.url}/{path}", budget=self.budget, params=params, headers=headers)
        return answer.body

    @asynccontextmanager
    async def explained(self, asked: Asked) -> AsyncIterator[None]:
        """Give an error of the block the meaning that NCBI's text has; NCBI's wish to wait lets the fleet pause."""
        try:
            yield
        except (SourceRefused, SourceUnavailable) as error:
            if "status" not in error.facts:
                raise
            raise await self._meant(_explained(error, asked)) from error
        except Throttled as error:
            if "until" in error.facts:
                raise
            raise await self._meant(error) from error

    async def _meant(self, error: ArqsvcError) -> ArqsvcError:
        """Return the error; if NCBI asks to wait, and the client could not see it, the fleet pauses first."""
        if isinstance(error, Throttled):
            return await self.http.budgets.throttled(self.budget, error.delay_s, said=error.detail)
        return error


def _explained(error: SourceRefused | SourceUnavailable, asked: Asked) -> ArqsvcError:
    said = asked.said(str(error.facts.get("said", "")))
    if meaning := asked.meaning(said):
        return meaning
    words = f"{asked.service} answered {error.facts['status']} for {asked.thing}{said and f': {said!r}'}."
    return type(error)(words, **{**error.facts, "said": said})


@dataclass(frozen=True, slots=True)
class Remote:
    """A file that a service offers, by itself or in a package."""

    service: Service
    asked: Asked
    url: str
    expects: str
    """What its bytes are, as a word of `sniff`."""
    params: Values | None = None
    headers: Values | None = None
    name: str | None = None
    """The name that a person expects; None for a record, which is called by the accession that stands in it."""
    declared_md5: str | None = None
    """What the service says that the MD5 of the file is."""
    member: str | None = None
    """How the name of the file ends inside the package that is fetched; None if the file itself is."""

    async def fetch(self, partial: Path, on_bytes: OnBytes) -> Fetched:
        """Bring the file to disk, or what is missing of it.

        Raises:
            SourceRefused, SourceUnavailable, Throttled: what came instead, in our words.
        """
        async with self.service.explained(self.asked):
            return await self.service.http.download(
                self.url,
                partial,
                budget=self.service.budget,
                params=self.params,
                headers=self.headers,
                check=expecting(self.expects, self.asked),
                on_bytes=on_bytes,
            )
