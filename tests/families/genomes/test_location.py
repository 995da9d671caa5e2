from pathlib import Path

import pytest

from arqsvc.families.genomes.compute.genbank import read_records
from arqsvc.families.genomes.compute.location import Location, parse_location
from tests.families.genomes.flatfile import record, written


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("5..9", [(4, 9, 1)]),
        ("7", [(6, 7, 1)]),
        ("complement(5..9)", [(4, 9, -1)]),
        ("join(1..3,7..9)", [(0, 3, 1), (6, 9, 1)]),
        ("complement(join(1..3,7..9))", [(6, 9, -1), (0, 3, -1)]),
        ("join(complement(7..9),1..3)", [(6, 9, -1), (0, 3, 1)]),
        ("(3.5)..9", [(2, 9, 1)]),
        ("(3.5)..(7.9)", [(2, 9, 1)]),
        ("one-of(3,5)..9", [(2, 9, 1)]),
        ("3..one-of(7,9)", [(2, 9, 1)]),
        ("102.110", [(101, 102, 1)]),
        ("join(1..3,gap(100),7..9)", [(0, 3, 1), (6, 9, 1)]),
        ("join(1..3,J00194.1:100..202)", [(0, 3, 1)]),
    ],
)
def test_parts_stand_in_the_order_of_transcription(text: str, parts: list[tuple[int, int, int]]) -> None:
    assert list(parse_location(text).parts) == parts


@pytest.mark.parametrize(
    ("text", "partial5", "partial3"),
    [
        ("<1..9", True, False),
        ("1..>9", False, True),
        ("complement(<1..9)", False, True),
        ("complement(1..>9)", True, False),
        ("join(<1..3,7..>9)", True, True),
        ("complement(join(<1..3,7..9))", False, True),
        ("<5", True, False),
    ],
)
def test_a_partial_end_is_told_along_the_strand(text: str, partial5: bool, partial3: bool) -> None:
    location = parse_location(text)
    assert (location.partial5, location.partial3) == (partial5, partial3)


def test_a_part_in_another_record_is_remote() -> None:
    assert parse_location("J00194.1:100..202") == Location((), remote=True)
    assert parse_location("join(1..3,J00194.1:100..202)").remote


@pytest.mark.parametrize("text", ["order(1..3,7..9)", "one-of(1..3,7..9)", "bond(1,7)", "3^4"])
def test_what_makes_no_one_molecule_is_not_joined(text: str) -> None:
    location = parse_location(text)
    assert location.parts
    assert not location.joined


NO_LOCATIONS = ("", "x", "1..", "join(1..3,7..9", "complement(1..3", "1..3)", 'replace(1..2,"a")', "1.." + "9" * 30)


@pytest.mark.parametrize("text", [*NO_LOCATIONS, "9" * 5000, "complement(" * 5000 + "1..3" + ")" * 5000])
def test_what_is_no_location_has_no_parts(text: str) -> None:
    assert parse_location(text) == Location((), joined=False)


def test_a_feature_lies_where_its_location_says_however_it_is_written(tmp_path: Path) -> None:
    texts = ["3..9", "complement(3..9)", "0003..09", "3..9 ", "3 ..9", "complement(3..9", "3..9)", "3..", "..9"]
    texts += ["<3..9", "3.9", "7", "3..12345678901234", "join(3..9)", "complement(complement(3..9))", "3...9"]
    features = [("gene", text) for text in texts] + [("a_key_of_more_than_16", "3..9"), ("two words", "3..9")]
    [found] = read_records(written(tmp_path, record("ACGT" * 5, *features)))
    expected = [parse_location(text.replace(" ", "")) for text in texts]
    assert [tuple(found.features.parts(row)) for row in range(len(texts))] == [one.parts for one in expected]
    assert found.features.joined[: len(texts)].tolist() == [one.joined for one in expected]
    assert found.features.kind[-2:] == ("a_key_of_more_than_16", "two")
    assert found.features.parts(len(texts)) == [(2, 9, 1)]


@pytest.mark.parametrize(
    ("location", "start0", "parts"),
    [
        ("complement(9..3)", 0, []),
        ("0..9", 0, [(0, 9, 1)]),
        ("complement(15..30)", 14, [(14, 20, -1)]),
        ("join(3..9,12..10,30..40,15..16)", 2, [(2, 9, 1), (14, 16, 1)]),
        ("x(3)", 0, []),
    ],
)
def test_only_what_lies_in_the_record_forwards_is_kept_of_a_location(
    tmp_path: Path, location: str, start0: int, parts: list[tuple[int, int, int]]
) -> None:
    [found] = read_records(written(tmp_path, record("ACGT" * 5, ("gene", location))))
    features = found.features
    assert (features.start0[0], features.parts(0)) == (start0, parts)
    assert features.length_bp[0] == sum(end0 - start0 for start0, end0, _ in parts)
    assert features.location(0) == features.unsound[0] == location


def test_a_range_round_a_whole_circle_is_no_backward_one(tmp_path: Path) -> None:
    [found] = read_records(written(tmp_path, record("ACGT" * 5, ("gene", "5..4"), topology="circular")))
    assert found.features.parts(0) == [(4, 20, 1), (0, 4, 1)]
    assert not found.features.unsound


@pytest.mark.parametrize("location", ["3..9", "complement(3..9)", "<3..9", "join(3..4,8..9)"])
def test_a_key_of_all_sixteen_columns_ends_where_its_location_begins(tmp_path: Path, location: str) -> None:
    text = record("ACGT" * 5, ("restriction_site", location)).replace("_site ", "_site")
    [found] = read_records(written(tmp_path, text))
    assert found.features.kind == ("restriction_site",)
    assert (found.features.start0[0], found.features.end0[0]) == (2, 9)


def test_a_long_table_is_read_whole_and_so_is_what_follows(tmp_path: Path) -> None:
    genes = [
        ("gene", f"{n}..{n + 9}", [f'locus_tag="t{n}"', 'note="one', '                     //two"'])
        for n in range(1, 9000)
    ]
    records = [record("ACGT" * 5000, *genes, name=name) for name in ("AB1", "AB2")]
    for found in read_records(written(tmp_path, *records)):
        assert found.features.locus_tag == tuple(f"t{n}" for n in range(1, 9000))
        assert found.features.start0.tolist() == list(range(8999))
        assert found.length_bp == 20_000
