"""A loopback NCBI: E-utilities, Datasets and the genomes tree, with real records, and with faults on demand."""
