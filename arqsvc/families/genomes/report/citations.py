"""What to cite beside the report; how its numbers were made is told in `templates/methods.html`."""

from dataclasses import dataclass

from arqsvc.families.genomes.compute.measurements import Measurements
from arqsvc.families.genomes.figures.notation import count, listed


@dataclass(frozen=True, slots=True)
class Reference:
    """A source to cite."""

    words: str
    doi: str


REFERENCES = (
    Reference(
        "Wright F (1990) The ‘effective number of codons’ used in a gene. Gene 87:23–29.",
        "10.1016/0378-1119(90)90491-9",
    ),
    Reference(
        "Sharp PM, Li W-H (1987) The codon adaptation index: a measure of directional synonymous codon usage bias, and "
        "its potential applications. Nucleic Acids Res 15:1281–1295.",
        "10.1093/nar/15.3.1281",
    ),
    Reference(
        "Bulmer M (1988) Are codon usage patterns in unicellular organisms determined by selection-mutation balance? "
        "J Evol Biol 1:15–26.",
        "10.1046/j.1420-9101.1988.1010015.x",
    ),
    Reference(
        "Lobry JR (1996) Asymmetric substitution patterns in the two DNA strands of bacteria. Mol Biol Evol "
        "13:660–665.",
        "10.1093/oxfordjournals.molbev.a025626",
    ),
    Reference(
        "Grigoriev A (1998) Analyzing genomes with cumulative skew diagrams. Nucleic Acids Res 26:2286–2290.",
        "10.1093/nar/26.10.2286",
    ),
    Reference(
        "Burge C, Campbell AM, Karlin S (1992) Over- and under-representation of short oligonucleotides in DNA "
        "sequences. Proc Natl Acad Sci USA 89:1358–1362.",
        "10.1073/pnas.89.4.1358",
    ),
    Reference(
        "Salgado H, Moreno-Hagelsieb G, Smith TF, Collado-Vides J (2000) Operons in Escherichia coli: genomic analyses "
        "and predictions. Proc Natl Acad Sci USA 97:6652–6657.",
        "10.1073/pnas.110147297",
    ),
    Reference(
        "Miller JR, Koren S, Sutton G (2010) Assembly algorithms for next-generation sequencing data. Genomics "
        "95:315–327.",
        "10.1016/j.ygeno.2010.03.001",
    ),
)


def citation(measurements: Measurements, version: str) -> str:
    """Return the sentence that leads the references: this software, and what it was run on."""
    names = [record.accession for record in measurements.records]
    shown = listed(names) if len(names) <= 3 else f"{names[0]} and {count(len(names) - 1, 'more record')}"
    return (
        f"The arqsvc authors. arqsvc, version {version} (software; see CITATION.cff in its repository), job "
        f"genomes.analyze on {shown}. Cite the record as its source asks, and the sources of the measures you use:"
    )
