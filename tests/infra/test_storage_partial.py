"""What a storage keeps of downloads: files that grow, whole ones that become content, and those set aside."""

import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from arqsvc.errors import OutOfSpace
from arqsvc.infra.storage import PARTIAL_S, Storage, Stored

DATA = b">a\nACGT\n"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "storage")


def test_a_key_has_one_place_that_tells_nothing_of_it_and_survives_the_process(storage: Storage) -> None:
    path = storage.partial("NC_000913.3 ../genbank")
    path.write_bytes(DATA)
    assert Storage(storage.folder).partial("NC_000913.3 ../genbank").read_bytes() == DATA
    assert storage.partial("NC_000913.4") != path
    assert "NC_" not in path.name


def test_what_nobody_touched_for_a_week_is_removed(storage: Storage) -> None:
    for name, age_s in (("old", PARTIAL_S + 60), ("new", PARTIAL_S - 60)):
        storage.partial(name).touch()
        os.utime(storage.partial(name), (time.time() - age_s,) * 2)
    Storage(storage.folder)
    assert not storage.partial("old").exists()
    assert storage.partial("new").exists()


async def test_a_whole_file_is_moved_and_not_copied_and_comes_to_lie_where_a_copy_would(storage: Storage) -> None:
    path = storage.partial("a")
    path.write_bytes(DATA)
    number = path.stat().st_ino
    assert await storage.adopt(path, SHA256) == Stored(SHA256, len(DATA))
    kept = storage.path(SHA256)
    assert (kept.read_bytes(), kept.stat().st_ino, kept.stat().st_nlink) == (DATA, number, 1)
    assert not path.exists()


async def test_content_that_is_there_already_stays_as_it_is(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    stored = await storage.put_path(tmp_path / "a")
    number = storage.path(SHA256).stat().st_ino
    path = storage.partial("a")
    path.write_bytes(DATA)
    assert await storage.adopt(path, SHA256) == stored
    assert storage.path(SHA256).stat().st_ino == number
    assert not path.exists()


async def test_a_content_folder_that_is_none_is_no_space_and_the_file_stays(storage: Storage) -> None:
    (storage.folder / "sha256").touch()
    path = storage.partial("a")
    path.write_bytes(DATA)
    with pytest.raises(OutOfSpace, match=os.strerror(errno.ENOTDIR)):
        await storage.adopt(path, SHA256)
    assert path.read_bytes() == DATA


def test_what_must_not_be_used_is_kept_each_under_a_name_of_its_own(storage: Storage) -> None:
    kept = []
    for text in ("one", "two"):
        path = storage.partial("a")
        path.write_text(text)
        kept.append(storage.set_aside(path, "GCF_1.gbff.gz"))
        assert not path.exists()
    assert [path.read_text() for path in kept] == ["one", "two"]
    assert [path.name for path in kept] == ["GCF_1.gbff.gz.1", "GCF_1.gbff.gz.2"]
    assert all(path.parent == storage.folder / "aside" for path in kept)
