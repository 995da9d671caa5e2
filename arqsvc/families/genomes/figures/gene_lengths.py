"""How long the genes are: a histogram over a logarithmic axis, CDS filled, RNA genes as an outline."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from arqsvc.families.genomes.compute.record import Integers
from arqsvc.families.genomes.figures import notation
from arqsvc.families.genomes.figures.canvas import SKY, TEXT, VERMILLION, sheet

BINS_A_DECADE = 16


def draw_gene_lengths(path: Path, cds_bp: Integers, rna_bp: Integers) -> None:
    """Draw how many genes have which length; at least one of the two must hold a gene.

    Args:
        path: SVG to write.
        cds_bp: length of every CDS, introns not counted; positive.
        rna_bp: length of every RNA gene; positive.
    """
    both = np.concatenate((cds_bp, rna_bp))
    first, last = (int(np.floor(BINS_A_DECADE * np.log10(value))) for value in (both.min(), both.max()))
    missing = max(0, BINS_A_DECADE - (last - first)) // 2
    edges = 10 ** (np.arange(first - missing - 1, last + missing + 3) / BINS_A_DECADE)
    with sheet(path, 5.6, 5.0) as figure:
        axes = figure.add_axes((0.11, 0.105, 0.86, 0.835))
        axes.set_xscale("log")
        if len(cds_bp):
            label = f"{notation.integer(len(cds_bp))} CDS"
            axes.stairs(np.histogram(cds_bp, edges)[0], edges, fill=True, color=SKY, label=label)
            axes.stairs(np.histogram(cds_bp, edges)[0], edges, color=TEXT, linewidth=0.6)
            median = float(np.median(cds_bp))
            axes.axvline(median, color=TEXT, linestyle=(0, (4, 3)), linewidth=1.0)
            words = f" median CDS \n {notation.bases(median)} "
            side = "left" if median**2 < edges[0] * edges[-1] else "right"
            axes.text(median, 0.99, words, ha=side, va="top", fontsize=8, transform=axes.get_xaxis_transform())
        if len(rna_bp):
            label = notation.count(len(rna_bp), "RNA gene")
            axes.stairs(np.histogram(rna_bp, edges)[0], edges, color=VERMILLION, linewidth=1.6, label=label)
        axes.set(xlabel="Gene length (bp, logarithmic)", ylabel="Genes", xlim=(edges[0], edges[-1]))
        axes.xaxis.set_major_locator(FixedLocator([m * 10**e for e in range(7) for m in (1, 2, 5)]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: notation.integer(round(value))))
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        axes.set_ylim(0, 1.12 * axes.get_ylim()[1])
        axes.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
