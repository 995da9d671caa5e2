"""What a storage keeps of downloads: files that grow, whole ones that become content, and those set aside."""

import errno
import hashlib
import os
import time
from collections.abc import AsyncIterator
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


async def test_content_that_is_there_already_is_stored_once(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    stored = await storage.put_path(tmp_path / "a")
    number = storage.path(SHA256).stat().st_ino
    assert (await storage.put_path(tmp_path / "a"), await storage.put(pieces(DATA))) == (stored, stored)
    assert storage.path(SHA256).stat().st_ino == number
    path = storage.partial("a")
    path.write_bytes(DATA)
    assert await storage.adopt(path, SHA256) == stored
    assert not path.exists()


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data[:3]
    yield data[3:]


@pytest.mark.parametrize("way", ["adopt", "adopt, same size", "put", "put_path"])
async def test_damaged_content_is_replaced_by_what_comes_and_who_reads_it_is_not_disturbed(
    storage: Storage, tmp_path: Path, way: str
) -> None:
    content = storage.path(SHA256)
    content.parent.mkdir(parents=True)
    damaged = bytes(len(DATA)) if way == "adopt, same size" else DATA[:3]
    content.write_bytes(damaged)
    with content.open("rb") as reader:
        (tmp_path / "a").write_bytes(DATA)
        match way:
            case "put":
                stored = await storage.put(pieces(DATA))
            case "put_path":
                stored = await storage.put_path(tmp_path / "a")
            case _:
                stored = await storage.adopt(tmp_path / "a", SHA256)
        assert reader.read() == damaged
    assert (stored, content.read_bytes()) == (Stored(SHA256, len(DATA)), DATA)
    assert list((storage.folder / "incoming").iterdir()) == []


async def test_a_content_folder_that_is_none_is_no_space_and_the_file_stays(storage: Storage) -> None:
    (storage.folder / "sha256").touch()
    path = storage.partial("a")
    path.write_bytes(DATA)
    with pytest.raises(OutOfSpace, match=os.strerror(errno.ENOTDIR)):
        await storage.adopt(path, SHA256)
    assert path.read_bytes() == DATA


def test_what_must_not_be_used_is_kept_once_a_content(storage: Storage) -> None:
    kept = []
    for text in ("one", "two", "one"):
        path = storage.partial("a")
        path.write_text(text)
        kept.append(storage.set_aside(path, "GCF_1.gbff.gz", hashlib.sha256(text.encode()).hexdigest()))
        assert not path.exists()
    assert [path.read_text() for path in kept] == ["one", "two", "one"]
    assert (kept[0], kept[0].name) == (kept[2], "GCF_1.gbff.gz.7692c3ad3540bb80")
    assert sorted((storage.folder / "aside").iterdir()) == sorted(kept[:2])


@pytest.mark.parametrize("name", ["a" * 300, "../../a", "a/b", "a\0b", "\ud800", "\N{SNOWMAN}" * 100])
def test_what_is_kept_aside_is_kept_under_whatever_name(storage: Storage, name: str) -> None:
    path = storage.partial("a")
    path.write_bytes(DATA)
    kept = storage.set_aside(path, name, SHA256)
    assert (kept.read_bytes(), kept.parent) == (DATA, storage.folder / "aside")
