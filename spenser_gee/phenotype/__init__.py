"""What a sentence describes: a network, its shapes and sizes, without torch."""
