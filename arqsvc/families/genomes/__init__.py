"""Genomes: sequence records and assemblies by accession, and analysis of annotated ones.

Sources: GenBank and RefSeq (INSDC; NCBI places no restriction on their use), by NCBI's E-utilities, NCBI Datasets and
NCBI's tree of genomes, each within the requests a second that it allows. What to cite stands in each report.
"""
