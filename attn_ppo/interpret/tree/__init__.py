"""Relevance trees: a target traced down through the network to the input frames."""
