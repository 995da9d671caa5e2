"""What the report says about how it was made: definitions, limits, and what to cite."""

from dataclasses import dataclass

from arqsvc.families.genomes.compute.measurements import Measurements
from arqsvc.families.genomes.figures import notation


@dataclass(frozen=True, slots=True)
class Reference:
    """A source to cite."""

    words: str
    doi: str


REFERENCES = (
    Reference("Wright F (1990) The ‘effective number of codons’ used in a gene. Gene 87:23–29.", "10.1016/0378-1119(90)90491-9"),
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
        "Lobry JR (1996) Asymmetric substitution patterns in the two DNA strands of bacteria. Mol Biol Evol 13:660–665.",
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
        "Miller JR, Koren S, Sutton G (2010) Assembly algorithms for next-generation sequencing data. Genomics 95:315–327.",
        "10.1016/j.ygeno.2010.03.001",
    ),
)


def paragraphs(measurements: Measurements) -> list[str]:
    """Return the methods, ready for a paper."""
    usage, genes = measurements.codons, measurements.genes
    table = (
        f"translation table {measurements.genetic_code_given} for every CDS, as asked for"
        if measurements.genetic_code_given
        else "each CDS by its own translation table, table 1 where it names none"
    )
    return [
        "Codon usage. CDS count when they are not pseudo, have all their parts in the record, whole codons after "
        f"codon_start, and only A, C, G and T; parts are joined in order; start and stop codons are counted; {table}. RSCU is the count "
        "of a codon by the mean count of its amino acid’s codons (Sharp & Li 1987). Nc is Wright’s (1990) effective "
        "number of codons, Nc = n₁ + Σ n_d / mean F_d over the degeneracies d of the code, with F = (n Σp² − 1)/(n − 1), "
        "families without homozygosity left out, and at most the number of sense codons. GC3s is G + C at third positions of codons "
        "that have synonyms. The curve of expected Nc is 2 + s + 29/(s² + (1 − s)²) with s = GC3s, made for the standard code.",
        "CAI is the geometric mean of each codon’s relative adaptiveness w, its count by that of the most used synonym "
        "in a reference set (Sharp & Li 1987); stops and amino acids with one codon are left out, as codonW does and EMBOSS does not; a "
        f"codon that the reference never uses counts as 0.5 (Bulmer 1988). Reference here: {usage.cai_reference.reason}",
        "Genes. Coding density is the union of all CDS, introns not counted, by the length. Overlaps are pairs of genes "
        "(CDS and RNA) that share nucleotides; distances between genes go across the origin of a circular record. Operon candidates are "
        f"runs of two or more neighbouring CDS on one strand, each at most {genes.operons.max_gap_bp} bp from the last (Salgado et al. "
        "2000). Hypothetical are CDS whose product says that nothing is known.",
        "Sequence. GC is (G + C)/(A + C + G + T). GC skew is (G − C)/(G + C) in windows of 1 kb that do not overlap "
        "(Lobry 1996), summed up along the record (Grigoriev 1998); on a circular record of at least 100 windows, origin and terminus are "
        "the starts of the windows of least and greatest sum. Dinucleotide odds are f(xy)/(f(x) f(y)) on the strand as "
        "written (Burge et al. 1992). N50 and its kin are over the records of the file (Miller et al. 2010). Places in this report are "
        "one-based, as in GenBank; origin, terminus and axes count from 0.",
        "Validation uses the names of NCBI’s validator. Selenocysteine, programmed slippage, partial and pseudo genes, "
        "other genetic codes, RNA editing and trans-splicing are biology: they are explained as notices, or not mentioned.",
    ]


def limits(measurements: Measurements) -> list[str]:
    """Return what the numbers cannot say."""
    said = [
        "All gene numbers rest on the annotation in the file; genes that it lacks are not searched for.",
        "Origin and terminus from skew are estimates to some kilobases; rearranged genomes and many archaea have other or several origins.",
        "Nc of genes under 100 codons varies much by chance; compare it along the curve, not gene by gene.",
        "Operon candidates come from distance and strand alone, without promoters, terminators or expression.",
    ]
    if len(measurements.codons.genetic_codes) > 1:
        table = measurements.codons.genetic_code
        said.append(f"The CDS use several translation tables; pooled RSCU, Nc and GC3s are of those with table {table}.")
    if measurements.codons.cai_reference.source != "none":
        said.append(
            "CAI measures likeness to the reference set; it foretells expression only where translation selects codons."
        )
    return said


def citation(measurements: Measurements, version: str) -> str:
    """Return how to cite this analysis."""
    names = [record.accession for record in measurements.records]
    shown = notation.listed(names) if len(names) <= 3 else f"{names[0]} and {notation.integer(len(names) - 1)} more records"
    return (
        f"The arqsvc authors. arqsvc, version {version} (software; see CITATION.cff in its repository), job "
        f"genomes.analyze on {shown}. Cite the record itself as its source asks, and the sources of the measures you use:"
    )
