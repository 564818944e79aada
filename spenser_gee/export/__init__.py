"""Networks for other programs: NIR, and plain PyTorch with snnTorch."""
