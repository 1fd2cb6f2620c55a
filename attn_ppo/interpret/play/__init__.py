"""Games played again, with everything that the agent saw and thought."""
