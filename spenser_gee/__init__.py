"""Evolve spiking neural networks."""
