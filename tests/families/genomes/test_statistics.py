from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from arqsvc.families.genomes.compute.analyze import measure
from arqsvc.families.genomes.compute.statistics import skew
from tests.families.genomes.flatfile import record, written


def test_bases_gaps_and_gc_are_told_from_what_is_unknown(tmp_path: Path) -> None:
    facts = measure(written(tmp_path, record("GGGCA" + "N" * 10 + "RYT" + "N" * 3 + "U"))).statistics
    assert dict(facts.bases) == {"A": 1, "C": 1, "G": 3, "T": 2, "N": 13, "other": 2}
    assert facts.gc == pytest.approx(4 / 7)
    assert (facts.n_runs, facts.gaps, facts.gap_bp, facts.longest_n_run_bp) == (2, 1, 10, 10)


def test_contiguity_is_over_the_records(tmp_path: Path) -> None:
    records = [record("ACGT" * (length // 4), name=f"C{length}") for length in (80, 72, 48, 40, 32, 20)]
    facts = measure(written(tmp_path, *records)).statistics
    assert (facts.records, facts.length_bp, facts.n50_bp, facts.l50) == (6, 292, 72, 2)
    assert (facts.n90_bp, facts.l90, facts.longest_bp, facts.shortest_bp) == (32, 5, 80, 20)
    assert facts.aun_bp == pytest.approx(sum(n * n for n in (80, 72, 48, 40, 32, 20)) / 292)
    assert facts.skew is None


def test_dinucleotide_odds_do_not_reach_over_unknown_bases_or_records(tmp_path: Path) -> None:
    facts = measure(written(tmp_path, record("AANCC"), record("GGT", name="B1"))).statistics
    pairs = {pair for pair, odds in facts.dinucleotide_odds.items() if odds}
    assert pairs == {"AA", "CC", "GG", "GT"}
    assert facts.dinucleotide_odds["AA"] == pytest.approx((1 / 4) / (2 / 7) ** 2)


def test_a_lost_base_makes_its_odds_undefined(tmp_path: Path) -> None:
    odds = measure(written(tmp_path, record("AAAA"))).statistics.dinucleotide_odds
    assert odds["AA"] == 1
    assert odds["AC"] is None
    assert list(odds) == sorted(odds)


def test_pairs_are_counted_once_over_a_long_record(tmp_path: Path) -> None:
    letters = "".join(np.random.default_rng(3).choice(list("ACGTN"), 600_000, p=[0.3, 0.2, 0.2, 0.29, 0.01]))
    facts = measure(written(tmp_path, record(letters))).statistics
    pairs = Counter(x + y for x, y in pairwise(letters) if "N" not in x + y)
    known = {base: letters.count(base) for base in "ACGT"}
    assert {base: facts.bases[base] for base in "ACGT"} == known
    share = {base: count / sum(known.values()) for base, count in known.items()}
    expected = {pair: n / pairs.total() / share[pair[0]] / share[pair[1]] for pair, n in pairs.items()}
    assert dict(facts.dinucleotide_odds) == pytest.approx(expected)


def windows(*letters: str) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.array(["TCAG".index(letter) for letter in letters], np.uint8).repeat(1000)


def test_origin_and_terminus_are_the_extremes_of_the_running_sum() -> None:
    circle = skew(windows(*"C" * 30, *"G" * 60, *"C" * 30), circular=True)
    assert (circle.origin_bp, circle.terminus_bp) == (29_000, 89_000)
    assert circle.cumulative[-1] == 0
    assert np.abs(circle.skew).max() == 1


def test_a_line_and_a_short_circle_have_no_origin() -> None:
    assert skew(windows(*"CG" * 60), circular=False).origin_bp is None
    assert skew(windows(*"CG" * 49, "A"), circular=True).terminus_bp is None


def test_windows_count_every_base_and_leave_out_the_end() -> None:
    rng = np.random.default_rng(5)
    nucleotides = rng.integers(0, 6, 12_345, np.uint8)
    whole = nucleotides[:12_000].reshape(12, 1000)
    g, c = (whole == 3).sum(1), (whole == 1).sum(1)
    np.testing.assert_allclose(skew(nucleotides, circular=False).skew, (g - c) / (g + c))


def test_a_window_without_g_and_c_has_no_skew() -> None:
    assert skew(windows("A"), circular=True).skew.tolist() == [0]
