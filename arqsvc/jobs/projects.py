"""Projects: whose jobs and files these are, and how much of both they may have."""

from tortoise import fields
from tortoise.models import Model


class ProjectRecord(Model):
    """The bounds of one project, where they are not those of the settings."""

    name = fields.CharField(64, primary_key=True)
    jobs_limit = fields.IntField(null=True)
    """Most jobs that have not ended."""
    files_limit_bytes = fields.BigIntField(null=True)
    """Most bytes of its files."""
    changed_at = fields.DatetimeField()

    class Meta:
        """Table."""

        table = "project"
