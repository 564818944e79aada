"""The fitness of a network: evolve its start, train it, measure it on images that it was not trained on."""
