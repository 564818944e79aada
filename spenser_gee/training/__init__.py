"""Surrogate-gradient training by backpropagation through time, and measuring what came of it."""
