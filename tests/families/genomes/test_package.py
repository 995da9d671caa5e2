"""Packages of Datasets: the wanted file of a sound one, and a reason for each that is not."""

import bz2
import hashlib
import json
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from arqsvc.errors import BadInput, OutOfSpace
from arqsvc.families.genomes.compute.package import Unpacked, unpack_member
from tests.families.genomes.flatfile import record

CONTENT = (record("ATGAAATAA" * 8) + record("ACGTN" * 30, name="AB2")).encode()
ACCESSION = "GCF_000000001.1"
DATA = "ncbi_dataset/data/"
WANTED, OTHER, CATALOG = f"{ACCESSION}/genomic.gbff", f"{ACCESSION}/genomic.gff", f"{DATA}dataset_catalog.json"
MEMBERS = {
    "README.md": b"# about\n",
    DATA + WANTED: CONTENT,
    DATA + OTHER: b"##gff-version 3\n",
    CATALOG: json.dumps({"assemblies": [{"files": [{"filePath": WANTED}, {"filePath": OTHER}]}]}).encode(),
}
ROOM_BYTES = 2**40


def package(folder: Path, members: Mapping[str, bytes], sums: str | None = "{md5}  {name}\n") -> Path:
    """Return the path of a package as Datasets makes it; the sums are those of `MEMBERS`."""
    path = folder / "package.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        if sums:
            lines = [sums.format(md5=hashlib.md5(data).hexdigest(), name=name) for name, data in MEMBERS.items()]
            archive.writestr("md5sum.txt", "".join(lines))
    return path


def without(*names: str) -> dict[str, bytes]:
    return {name: data for name, data in MEMBERS.items() if name not in names}


def unpacked(path: Path, suffix: str = "genomic.gbff") -> Unpacked:
    return unpack_member(path, ACCESSION, suffix, path.parent / "out", ROOM_BYTES)


def refused(path: Path) -> str:
    """Return the reason for which a package is refused."""
    with pytest.raises(BadInput) as refusal:
        unpacked(path)
    return str(refusal.value.facts["reason"])


@pytest.mark.parametrize("sums", ["{md5}  {name}\n", None])
def test_a_file_is_taken_out_of_a_package(tmp_path: Path, sums: str | None) -> None:
    found = unpacked(package(tmp_path, MEMBERS, sums))
    assert (tmp_path / "out").read_bytes() == CONTENT
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert (found.size_bytes, found.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert (found.md5, found.declared_md5) == (md5, md5 if sums else None)


@pytest.mark.parametrize("place", [WANTED, f"{ACCESSION}_ASM1_genomic.gbff", f"x/{ACCESSION}_ASM1/genomic.gbff"])
def test_the_file_lies_wherever_its_path_names_the_assembly(tmp_path: Path, place: str) -> None:
    others = {f"{ACCESSION}0/genomic.gbff": b"", f"GCF_000000001.2/{ACCESSION[:-2]}_genomic.gbff": b""}
    assert unpacked(package(tmp_path, {**others, place: CONTENT}, None)).size_bytes == len(CONTENT)


def test_sequences_of_genes_are_not_taken_for_the_genome(tmp_path: Path) -> None:
    names = ("cds_from_genomic.fna", f"{ACCESSION}_ASM1_genomic.fna", "rna_from_genomic.fna")
    members = {f"{DATA}{ACCESSION}/{name}": f">{name}\nACGT\n".encode() for name in names}
    unpacked(package(tmp_path, members, None), "_genomic.fna")
    assert (tmp_path / "out").read_bytes().startswith(b">GCF_")


def test_a_package_without_the_file_is_refused(tmp_path: Path) -> None:
    assert refused(package(tmp_path, without(DATA + WANTED))) == "member_missing"
    assert refused(package(tmp_path, without(DATA + WANTED, CATALOG))) == "no_member"
    assert refused(package(tmp_path, {**MEMBERS, f"{DATA}{ACCESSION}/more_genomic.gbff": b""})) == "no_member"
    for broken in (b"{", b"[" * 100_000):
        assert refused(package(tmp_path, {**without(DATA + WANTED), CATALOG: broken})) == "member_mismatch"


@pytest.mark.parametrize("catalog", [MEMBERS[CATALOG], b"{"])
def test_what_else_a_package_lacks_does_not_matter(tmp_path: Path, catalog: bytes) -> None:
    path = package(tmp_path, {**without(DATA + OTHER), CATALOG: catalog}, None)
    assert unpacked(path).size_bytes == len(CONTENT)


def test_a_package_whose_member_is_not_as_declared_is_refused(tmp_path: Path) -> None:
    for name in (DATA + OTHER, DATA + WANTED):
        assert refused(package(tmp_path, {**MEMBERS, name: MEMBERS[name][:-1]})) == "member_mismatch"


def test_sums_may_be_in_capitals(tmp_path: Path) -> None:
    path = package(tmp_path, MEMBERS, None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("md5sum.txt", f"{hashlib.md5(CONTENT).hexdigest().upper()} *./{DATA}{WANTED}\n")
    found = unpacked(path)
    assert found.declared_md5 == found.md5


def test_a_file_for_which_there_is_no_room_is_not_begun(tmp_path: Path) -> None:
    path, out = package(tmp_path, {**MEMBERS, DATA + WANTED: bytes(10**7)}, None), tmp_path / "out"
    for room_bytes, said in ((10**7 - 1, "9,999,999"), (-5, "room for 0")):
        with pytest.raises(OutOfSpace, match=rf"has 10,000,000 bytes, .*{said}") as raised:
            unpack_member(path, ACCESSION, "genomic.gbff", out, room_bytes)
        assert raised.value.facts["needed_bytes"] == 10**7
        assert str(tmp_path) not in raised.value.detail
        assert not out.exists()


def test_a_file_that_is_longer_than_it_says_ends_there(tmp_path: Path) -> None:
    path = package(tmp_path, {DATA + WANTED: bytes(10**7)}, None)
    whole = path.read_bytes()
    path.write_bytes(whole.replace((10**7).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    assert refused(path) == "broken_zip"
    assert (tmp_path / "out").stat().st_size <= 1000


def test_a_disk_that_is_full_is_no_damage_of_the_package(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        unpack_member(package(tmp_path, MEMBERS), ACCESSION, "genomic.gbff", Path("/dev/full"), ROOM_BYTES)


def test_a_damaged_package_is_refused(tmp_path: Path) -> None:
    path = package(tmp_path, MEMBERS)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        assert refused(path) == "broken_zip"
    dice = random.Random(1)
    for place in [*range(30, len(whole), 2), *range(whole.index(b"PK\x01\x02"), len(whole))]:
        path.write_bytes(whole[:place] + dice.randbytes(1) + whole[place + 1 :])
        try:
            found = unpacked(path)
        except BadInput as error:
            reasons = ("broken_zip", "member_mismatch", "member_missing", "no_member")
            assert error.facts["reason"] in reasons  # noqa: PT017
        else:
            assert found.declared_md5 in (found.md5, None)  # it hit what nobody reads
    path.write_bytes(b"PK\x03\x04" + bytes(2700))
    assert refused(path) == "broken_zip"


def test_whatever_zipfile_raises_is_damage(tmp_path: Path) -> None:
    whole = package(tmp_path, MEMBERS, None).read_bytes()
    directory, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")
    name_is_no_utf8 = {directory + 9: 8, directory + 46: 0xFF}
    begins_before_the_file = {end + 17: whole[end + 17] + 1}
    for changes in (name_is_no_utf8, begins_before_the_file):
        damaged = bytearray(whole)
        for place, byte in changes.items():
            damaged[place] = byte
        (tmp_path / "package.zip").write_bytes(damaged)
        assert refused(tmp_path / "package.zip") == "broken_zip"
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr(DATA + WANTED, CONTENT)
    path.write_bytes(path.read_bytes().replace(bz2.compress(CONTENT)[:10], bytes(10)))
    assert refused(path) == "broken_zip"
