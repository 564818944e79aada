"""What a network costs and bears: operations, energy, robustness, latency."""
