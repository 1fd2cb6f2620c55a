"""Relevance trees: a number traced down the network to the input frames."""
