"""Whether what an agent shows can be believed: it is held against cause, objects and chance."""
