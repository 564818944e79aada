"""The inner search: CMA-ES evolves where the training of gene-encoded weights starts (GEE)."""
