"""Interpretation of trained agents: recordings, saliency maps, relevance trees, videos, pages."""
