"""How fast our trainer is, beside other trainers and beside the machine: `python -m bench`."""
