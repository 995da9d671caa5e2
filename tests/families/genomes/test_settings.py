"""The family's settings: every value checked, no secret shown."""

import re

import pytest

from arqsvc.errors import CannotStart
from arqsvc.families import load_settings
from arqsvc.families.genomes.settings import GenomesSettings


def test_the_settings_are_checked_and_hide_what_is_secret() -> None:
    settings = GenomesSettings.read({"ARQSVC_GENOMES_URL": "https://mirror.example.org/genomes/"})
    assert settings.genomes_url == "https://mirror.example.org/genomes"
    for url in ("HTTP://mirror.example.org:8080/x", "http://[::1]:80"):
        assert GenomesSettings.read({"ARQSVC_GENOMES_URL": url}).genomes_url == url
    assert load_settings({})[GenomesSettings] == GenomesSettings.read({})
    for name, value in (
        ("EUTILS_URL", "ftp://example.org"),
        ("DATASETS_URL", "https://example.org/v2?x=1"),
        ("DATASETS_URL", "http://127.0.0.1:abc"),
        ("DATASETS_URL", "http://127.0.0.1:70000/v2"),
        ("DATASETS_URL", "http://[::1/x"),
        ("DATASETS_URL", "http://:80/x"),
        ("GENOMES_URL", "http://example.org/\x7f"),
        ("NCBI_API_KEY", "two words"),
        ("NCBI_EMAIL", "nobody"),
    ):
        with pytest.raises(CannotStart, match=rf"ARQSVC_{name}") as raised:
            load_settings({f"ARQSVC_{name}": value})
        assert (repr(value) in raised.value.detail) == name.endswith("URL")
        assert re.search("https?://|ASCII|e-mail|port", raised.value.detail)
