"""What is wrong, or only unusual, with a CDS: its start, its stop, its frame, its `/translation`.

Codes are those of NCBI's validator (asn_validate). What biology explains and the annotation says (selenocysteine,
pyrrolysine, slippage, RNA editing, trans-splicing, stops that polyadenylation completes) is a notice; pseudo and
partial genes are not held to what they lack.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arqsvc.bio.genetic_code import CODONS, GENETIC_CODES, GeneticCode, genetic_code
from arqsvc.families.genomes.compute.coding import AMBIGUOUS, Coding
from arqsvc.families.genomes.compute.location import parse_location
from arqsvc.families.genomes.compute.measurements import Finding, Level
from arqsvc.families.genomes.compute.record import Features, Flags, Integers, Record

SHORTEST_INTRON_BP = 10
"""Below it a gap between parts is no intron (NCBI's ShortIntron)."""

_STOP = ord("*")
_UNKNOWN = b"X"
_EXCEPT = re.compile(r"\(pos:(.+?),aa:(\w+)\)", re.IGNORECASE)
_AMINO_ACIDS = (
    "ala:A arg:R asn:N asp:D cys:C gln:Q glu:E gly:G his:H ile:I leu:L lys:K met:M phe:F pro:P ser:S thr:T trp:W tyr:Y "
    "val:V sec:U pyl:O term:* fmet:M"
)
_LETTER: dict[str, str] = dict(re.findall(r"(\w+):(\S)", _AMINO_ACIDS))
_SPECIAL_NAMES = {"U": "selenocysteine", "O": "pyrrolysine", "*": "a stop"}


def check_translations(record: Record, coding: Coding) -> Iterator[Finding]:
    """Yield findings on every CDS that is not pseudo, in the order of the file."""
    features = record.features
    amino_acids = _translate(coding)
    plain = _plain(features, coding, amino_acids)
    unusual = [place for place in np.flatnonzero(~plain) if not features.pseudo[coding.feature[place]]]
    for place in unusual:
        row = int(coding.feature[place])
        yield from _check_location(record, row)
        if coding.readable[place]:
            yield from _Cds(record, coding, int(place), amino_acids).findings()


def _translate(coding: Coding) -> NDArray[np.uint8]:
    """Return the letter of every codon by the code of its CDS, X where ambiguous; uint8[all codons]."""
    numbers, which = np.unique(coding.genetic_code, return_inverse=True)
    translated = np.zeros(len(coding.codon), np.uint8)
    for place, number in enumerate(numbers.tolist()):
        letters = bytes(genetic_code(number).amino_acids).ljust(256, _UNKNOWN)
        own = np.repeat(which == place, coding.codons)
        np.copyto(translated, np.frombuffer(coding.codon.tobytes().translate(letters), np.uint8), where=own)
    return translated


def _plain(features: Features, coding: Coding, amino_acids: NDArray[np.uint8]) -> Flags:
    """Return which CDS need no second look: one reading frame from start to stop, as `/translation` says; bool[n]."""
    rows = coding.feature
    plain: Flags = coding.readable & (coding.rest_bp == 0) & (coding.codons > 1)
    plain &= ~features.partial5[rows] & ~features.partial3[rows] & (features.codon_start[rows] == 1)
    plain &= np.isin(features.transl_table[rows], (0, *GENETIC_CODES))
    plain &= ~np.isin(rows, list(features.special)) & (np.diff(features.part_offset)[rows] == 1)
    numbers, which = np.unique(coding.genetic_code, return_inverse=True)
    codes = [genetic_code(number) for number in numbers.tolist()]
    stops = np.array([[*(code.amino_acids == _STOP), False] for code in codes], bool).reshape(-1, AMBIGUOUS + 1)
    plain &= (coding.counts * stops[which]).sum(1) == 1
    places = np.flatnonzero(plain)
    begin, end = coding.offset[places], coding.offset[places + 1]
    starts = np.array([[*code.starts, False] for code in codes], bool).reshape(-1, AMBIGUOUS + 1)
    plain[places] = starts[which[places], coding.codon[begin]] & (amino_acids[end - 1] == _STOP)
    text = amino_acids.tobytes().decode()
    for place, row, first, last in zip(
        places.tolist(), rows[places].tolist(), (begin + 1).tolist(), (end - 1).tolist(), strict=True
    ):
        translation = features.translation[row]
        if translation is not None and translation != "M" + text[first:last]:
            plain[place] = False
    return plain


def _check_location(record: Record, row: int) -> Iterator[Finding]:
    """Yield what the parts of a CDS alone tell: slippage, gaps that are no introns, both strands."""
    features = record.features
    special = features.special.get(row, {})
    parts = features.parts(row)
    gaps = [_gap(record, before, after) for before, after in itertools.pairwise(parts)]
    short = [gap for gap in gaps if gap is not None and gap < SHORTEST_INTRON_BP and gap != 0]
    if "ribosomal_slippage" in special:
        shift = ", ".join(f"{gap:+d}" for gap in short) or "none marked by the location"
        message = f"Ribosomal slippage, as annotated (frame shift in nt: {shift}): one protein read in two frames."
        yield finding("notice", "SEQ_FEAT.ShortIntron", record, row, message)
    elif short and not {"trans_splicing", "artificial_location", "exception"} & special.keys():
        message = (
            f"The parts are {', '.join(map(str, short))} nt apart; an intron has at least {SHORTEST_INTRON_BP} nt. "
            "If the ribosome slips here, /ribosomal_slippage says so."
        )
        yield finding("warning", "SEQ_FEAT.ShortIntron", record, row, message)
    if len({strand for _, _, strand in parts}) > 1:
        if "trans_splicing" in special:
            message = "Parts on both strands, joined by trans-splicing, as annotated."
            yield finding("notice", "SEQ_FEAT.MixedStrand", record, row, message)
        else:
            message = (
                "Parts on both strands: only trans-splicing makes one product of them, and /trans_splicing is missing."
            )
            yield finding("warning", "SEQ_FEAT.MixedStrand", record, row, message)


def _gap(record: Record, before: tuple[int, int, int], after: tuple[int, int, int]) -> int | None:
    """Return the nucleotides between two parts along their strand, negative for an overlap; None on two strands."""
    if before[2] != after[2]:
        return None
    gap = after[0] - before[1] if before[2] > 0 else before[0] - after[1]
    if record.circular and gap <= -record.length_bp // 2:
        gap += record.length_bp
    return gap


def finding(level: Level, code: str, record: Record, row: int, message: str) -> Finding:
    """Return a finding on a feature."""
    features = record.features
    name = features.name(row) or ""
    return Finding(level, code, record.accession, features.kind[row], name, features.location(row), message)


@dataclass(frozen=True, slots=True)
class _Exception:
    """One `/transl_except`: a codon that is not read by the table."""

    codon: int
    """Place in the CDS, from 0."""

    letter: str
    name: str


def _except_parts(text: str) -> tuple[tuple[int, int, int], str] | None:
    """Return the first part of the place and the amino acid of a `/transl_except`; None where it is not written so."""
    match = _EXCEPT.search("".join(text.split()))
    parts = parse_location(match[1]).parts if match else ()
    return (parts[0], match[2]) if match and parts else None


class _Cds:
    """One readable CDS and what can be found about it."""

    def __init__(self, record: Record, coding: Coding, place: int, amino_acids: NDArray[np.uint8]) -> None:
        own = slice(coding.offset[place], coding.offset[place + 1])
        self.record = record
        self.features: Features = record.features
        self.row = int(coding.feature[place])
        self.code: GeneticCode = genetic_code(int(coding.genetic_code[place]))
        self.codons = coding.codon[own].tolist()
        self.letters = amino_acids[own].tobytes().decode()
        self.rest = coding.rest[place]
        self.special = self.features.special.get(self.row, {})
        self.whole5 = not self.features.partial5[self.row] and self.features.codon_start[self.row] == 1
        self.whole3 = not self.features.partial3[self.row]
        self.positions = self._positions()
        self.exceptions = list(self._exceptions())

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong or unusual, start to end."""
        yield from self._check_table()
        yield from self._check_values()
        if not self.codons:
            yield self._finding("error", "SEQ_FEAT.TransLen", "The CDS has no whole codon. Check its location.")
            return
        yield from self._check_start()
        yield from self._check_internal_stops()
        yield from self._check_end()
        yield from self._check_protein()

    def _finding(self, level: Level, code: str, message: str) -> Finding:
        return finding(level, code, self.record, self.row, message)

    def _excused(self) -> str | None:
        """Return what the annotation says why the protein is not what the table gives."""
        if "exception" in self.special:
            return self.special["exception"][0] or "an exception"
        return "its location is artificial" if "artificial_location" in self.special else None

    def _positions(self) -> Integers:
        """Return the zero-based place in the record of every nucleotide of the frame, in the order of translation."""
        steps = [np.arange(start0, end0)[::strand] for start0, end0, strand in self.features.parts(self.row)]
        return np.concatenate(steps)[self.features.codon_start[self.row] - 1 :]

    def _exceptions(self) -> Iterator[_Exception]:
        for text in self.special.get("transl_except", ()):
            if (parts := _except_parts(text)) is None:
                continue
            (start0, end0, strand), amino_acid = parts
            places = np.flatnonzero(self.positions == (start0 if strand > 0 else end0 - 1))
            if len(places) == 0 and strand > 0:
                places = np.flatnonzero(self.positions == end0 - 1) - (end0 - 1 - start0)
            if len(places) and places[0] >= 0:
                yield _Exception(int(places[0]) // 3, _LETTER.get(amino_acid.lower(), "X"), amino_acid)

    def _codon_text(self, codon: int) -> str:
        """Return a codon by number, bases and place in the record."""
        places = self.positions[3 * codon : 3 * codon + 3]
        bases = CODONS[self.codons[codon]] if self.codons[codon] != AMBIGUOUS else "ambiguous"
        return f"codon {codon + 1} ({bases}, {places.min() + 1}..{places.max() + 1})"

    def _check_table(self) -> Iterator[Finding]:
        table = int(self.features.transl_table[self.row])
        if table and table not in GENETIC_CODES:
            message = f"NCBI has no /transl_table={table}; the CDS is read by table {self.code.number}. Correct it."
            yield self._finding("error", "SEQ_FEAT.GenCodeInvalid", message)

    def _check_values(self) -> Iterator[Finding]:
        """Yield qualifiers whose value cannot be read."""
        read = {
            "codon_start": f"1, 2 or 3; the CDS is read from its nucleotide {self.features.codon_start[self.row]}",
            "transl_table": f"one of NCBI's tables; the CDS is read by table {self.code.number}",
            "transl_except": "like (pos:7..9,aa:Sec); it is not used",
        }
        for name, expected in read.items():
            for value in self.special.get(name, ()):
                if name != "transl_except" or not _except_parts(value):
                    message = f"/{name}={value[:60]} is not {expected}. Correct it."
                    yield self._finding("warning", "SEQ_FEAT.InvalidQualifierValue", message)

    def _check_start(self) -> Iterator[Finding]:
        first = self.codons[0]
        if not self.features.partial5[self.row] and self.features.codon_start[self.row] > 1:
            message = (
                f"/codon_start={self.features.codon_start[self.row]} and the 5' end is not marked partial (<). "
                "A CDS that begins inside a codon is partial."
            )
            yield self._finding("warning", "SEQ_FEAT.PartialProblem", message)
        if not self.whole5 or first == AMBIGUOUS or self.code.starts[first]:
            return
        starts = " ".join(CODONS[codon] for codon in np.flatnonzero(self.code.starts))
        found = f"{CODONS[first]} is no start codon of table {self.code.number} ({starts})"
        if any(exception.codon == 0 for exception in self.exceptions):
            yield self._finding("notice", "SEQ_FEAT.StartCodon", f"{found}; /transl_except says that it begins here.")
        elif excuse := self._excused():
            yield self._finding("notice", "SEQ_FEAT.StartCodon", f"{found}; explained by the annotation: {excuse}.")
        else:
            advice = "Wrong genetic code, wrong start, or a 5' end to be marked partial (<)."
            yield self._finding("error", "SEQ_FEAT.StartCodon", f"{found}. {advice}")

    def _check_internal_stops(self) -> Iterator[Finding]:
        last = len(self.codons) - (0 if self.rest or not self.whole3 else 1)
        stops = [place for place, letter in enumerate(self.letters[:last]) if letter == "*"]
        recoded = {exception.codon: exception for exception in self.exceptions}
        for place in [place for place in stops if place in recoded and recoded[place].letter != "*"]:
            exception = recoded[place]
            name = _SPECIAL_NAMES.get(exception.letter, exception.name)
            message = f"C{self._codon_text(place)[1:]} is read as {name}, as /transl_except says; no stop."
            yield self._finding("notice", "SEQ_FEAT.InternalStop", message)
        open_stops = [place for place in stops if place not in recoded and place < len(self.codons) - 1]
        if not open_stops:
            return
        shown = ", ".join(self._codon_text(place) for place in open_stops[:3]) + (
            ", ..." if len(open_stops) > 3 else ""
        )
        count = f"{len(open_stops)} stop codon{'s' if len(open_stops) > 1 else ''} inside the CDS: {shown}"
        if excuse := self._excused():
            yield self._finding("notice", "SEQ_FEAT.InternalStop", f"{count}; explained by the annotation: {excuse}.")
        else:
            yield self._finding("error", "SEQ_FEAT.InternalStop", f"{count}. {self._stop_advice(open_stops)}")

    def _stop_advice(self, stops: list[int]) -> str:
        translation = self.features.translation[self.row] or ""
        if all(translation[place : place + 1] in ("U", "O") for place in stops):
            return "/translation has U or O there: /transl_except is missing."
        if {CODONS[self.codons[place]] for place in stops} == {"TGA"}:
            return "Tables 2, 4, 5 and 25 do not stop at TGA: is the genetic code right? Else mark the gene /pseudo."
        return "Wrong frame, wrong genetic code, or a gene to be marked /pseudo."

    def _ends_in_stop(self) -> bool:
        return not self.rest and self.codons[-1] != AMBIGUOUS and bool(self.code.stops[self.codons[-1]])

    def _check_end(self) -> Iterator[Finding]:
        if self._ends_in_stop():
            if not self.whole3:
                message = (
                    f"The 3' end is marked partial (>) and the CDS ends in the stop codon {CODONS[self.codons[-1]]}."
                )
                yield self._finding("warning", "SEQ_FEAT.PartialProblem", message)
            return
        if not self.whole3 or self.codons[-1] == AMBIGUOUS:
            return
        terms = any(
            exception.letter == "*" and exception.codon >= len(self.codons) - 1 for exception in self.exceptions
        )
        ending = self.rest or CODONS[self.codons[-1]]
        if terms:
            message = f"The stop codon {ending} is completed by polyadenylation, as /transl_except says."
            yield self._finding("notice", "SEQ_FEAT.NoStop", message)
        elif excuse := self._excused():
            message = f"The CDS ends in {ending}, no stop codon; explained by the annotation: {excuse}."
            yield self._finding("notice", "SEQ_FEAT.NoStop", message)
        elif self.rest in ("T", "TA"):
            message = (
                f"The CDS ends in {self.rest}, an incomplete stop codon. If polyadenylation completes it, "
                "/transl_except=(pos:...,aa:TERM) says so."
            )
            yield self._finding("warning", "SEQ_FEAT.NoStop", message)
        elif self.rest:
            message = (
                f"{len(self.rest)} nt follow the last whole codon, and no stop codon ends the CDS. "
                "Check the location, or mark the 3' end partial (>)."
            )
            yield self._finding("error", "SEQ_FEAT.NoStop", message)
        else:
            message = (
                f"The CDS ends in {ending}; expected a stop codon of table {self.code.number}, or a partial 3' end (>)."
            )
            yield self._finding("error", "SEQ_FEAT.NoStop", message)

    def _protein(self) -> str:
        """Return the protein that the nucleotides give, by table and `/transl_except`."""
        letters = list(self.letters)
        if self.whole5 and self.codons[0] != AMBIGUOUS and self.code.starts[self.codons[0]]:
            letters[0] = "M"
        if self._ends_in_stop():
            letters.pop()
        for exception in self.exceptions:
            if exception.codon < len(letters):
                letters[exception.codon] = exception.letter
        while letters and letters[-1] == "*" and any(exception.letter == "*" for exception in self.exceptions):
            letters.pop()
        return "".join(letters)

    def _check_protein(self) -> Iterator[Finding]:
        given = self.features.translation[self.row]
        if given is None:
            return
        made, given = self._protein(), given.upper().removesuffix("*")
        wrong = [place for place, pair in enumerate(zip(made, given, strict=False)) if not _agree(*pair)]
        if wrong and wrong[0] == 0 and (not self.whole5 or given[0] == "M"):
            wrong = wrong[1:]
        if len(made) == len(given) and not wrong:
            return
        if len(made) != len(given):
            code = "SEQ_FEAT.TransLen"
            found = f"/translation has {len(given)} amino acids and the nucleotides give {len(made)}"
        else:
            code = "SEQ_FEAT.MisMatchAA"
            place = wrong[0]
            found = (
                f"/translation differs from the nucleotides at {len(wrong)} of {len(made)} amino acids, first at "
                f"{place + 1}: {given[place]} in /translation, {made[place]} from {self._codon_text(place)}"
            )
        advice = f"Check location, frame and genetic code (table {self.code.number})."
        if wrong == [0] and code == "SEQ_FEAT.MisMatchAA" and made[0] == "M":
            advice = "A start codon is read as Met, whatever amino acid it stands for elsewhere."
        if excuse := self._excused():
            yield self._finding("notice", code, f"{found}; explained by the annotation: {excuse}.")
        else:
            yield self._finding("error", code, f"{found}. {advice}")


def _agree(made: str, given: str) -> bool:
    """Return whether two amino acid letters can be one, ambiguity codes included."""
    return made == given or "X" in (made, given) or made in {"B": "DN", "Z": "EQ", "J": "IL"}.get(given, "")
