"""What all sections are drawn with: figures, and the page."""
