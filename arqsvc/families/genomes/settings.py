"""GenomesSettings: where NCBI's services are, and who asks there."""

import re
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from arqsvc.settings import EnvironmentSettings

_ADDRESS = re.compile(r"https?://(?:(?![/?#@])[!-~])+(?:/(?:(?![?#])[!-~])*)?", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")


class GenomesSettings(EnvironmentSettings):
    """The settings of the genomes family."""

    eutils_url: str = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
    """Address of NCBI's E-utilities: the folder of `efetch.fcgi`."""

    datasets_url: str = "https://api.ncbi.nlm.nih.gov/datasets/v2"
    """Address of NCBI Datasets, version 2: the folder of `genome/`."""

    genomes_url: str = "https://ftp.ncbi.nlm.nih.gov/genomes"
    """Address of NCBI's tree of genomes: the folder of `all/`."""

    ncbi_api_key: SecretStr | None = None
    """Your API key at NCBI: ten requests a second to E-utilities and to Datasets instead of three."""

    ncbi_email: SecretStr | None = None
    """E-mail address that NCBI may write to about your requests; sent to E-utilities alone."""

    @field_validator("eutils_url", "datasets_url", "genomes_url")
    @classmethod
    def _folder(cls, value: str) -> str:
        if not _ADDRESS.fullmatch(value):
            raise ValueError("an address begins with http:// or https:// and has no user, no ? and no #")
        try:
            parts = urlsplit(value)
            is_reachable = bool(parts.hostname) and parts.port != 0
        except ValueError:  # brackets that do not close, a port that is no number or too large
            is_reachable = False
        if not is_reachable:
            raise ValueError("an address has a host, and after a colon the number of a port, 1 to 65535")
        return value.rstrip("/")

    @field_validator("ncbi_api_key")
    @classmethod
    def _one_word(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("a key is one word of ASCII characters; copy it anew from your NCBI account")
        return value

    @field_validator("ncbi_email")
    @classmethod
    def _address(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not _EMAIL.fullmatch(value.get_secret_value()):
            raise ValueError("this is no e-mail address; it looks like name@example.org")
        return value
