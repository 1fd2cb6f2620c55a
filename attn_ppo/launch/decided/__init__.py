"""A sweep that adds seeds where it is undecided whether a lambda differs from 0, and then stops."""
