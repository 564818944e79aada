"""Parts of the studies on the search: what is searched (grounds), with what (arms), and what came out."""
