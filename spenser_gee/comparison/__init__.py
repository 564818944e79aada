"""Evolved against hand-designed networks, on equal terms."""
