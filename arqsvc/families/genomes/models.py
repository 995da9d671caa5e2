"""The table of what was downloaded: a row for each accession and format whose verified content is in storage."""

from typing import Any

from tortoise import fields
from tortoise.models import Model


class DownloadRecord(Model):
    """One accession in one format, fetched once; written when its content has been verified and adopted."""

    id = fields.BigIntField(primary_key=True)
    accession = fields.CharField(40)
    """As resolved, with its version."""
    format = fields.CharField(16)
    """`genbank` or `fasta`."""
    sha256 = fields.CharField(64)
    size_bytes = fields.BigIntField()
    name = fields.CharField(255)
    """The file name that a person expects."""
    records = fields.IntField()
    length_bp = fields.BigIntField()
    provenance: Any = fields.JSONField()
    """Source, URL without query, declared and computed digests, validators, and what else `download.py` knows."""
    retrieved_at = fields.DatetimeField()

    class Meta:
        """Table and indexes."""

        table = "download"
        unique_together = (("accession", "format"),)
