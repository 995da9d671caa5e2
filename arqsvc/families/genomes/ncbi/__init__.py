"""NCBI's services: E-utilities, Datasets and the tree of genomes; what each is asked, and what its answers mean."""
