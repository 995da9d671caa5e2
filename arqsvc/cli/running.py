"""The instance that was started on a state folder, as the other commands find it."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

CLIENT_FILE = "client.json"


@dataclass(frozen=True, slots=True)
class Instance:
    """What the commands of this user need to reach a running instance; kept in the state folder, mode 0600."""

    url: str
    api_key: str
    redis_url: str
    database_url: str

    @classmethod
    def of(cls, state_dir: Path) -> "Instance | None":
        """Return the instance that was last started on this state folder, or None."""
        try:
            return cls(**json.loads((state_dir / CLIENT_FILE).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, state_dir: Path) -> None:
        """Write it for the other commands."""
        new = state_dir / f"{CLIENT_FILE}.new"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
            json.dump(asdict(self), file)
        new.replace(state_dir / CLIENT_FILE)
