import pytest

from arqsvc.families.genomes.compute.location import Location, parse_location


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
