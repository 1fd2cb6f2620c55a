"""A search: trials at points that a sweeper chooses by the results of earlier ones."""
