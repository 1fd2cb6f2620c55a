"""Saliency maps: which pixels an output of the agent depends on."""
