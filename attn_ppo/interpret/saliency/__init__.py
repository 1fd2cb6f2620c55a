"""Saliency maps: which pixels a number of the agent hangs on."""
