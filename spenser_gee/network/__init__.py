"""Spiking networks in torch: neurons, gene-encoded weights, layers, input coding, and the builder."""
