"""Games that a trained agent plays, recorded with its inputs and outputs at each step."""
