"""Genomes: analysis of annotated sequence records.

Sources: GenBank and RefSeq flat files (INSDC; NCBI places no restriction on their use). What to cite stands in each
report.
"""
