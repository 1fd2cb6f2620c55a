"""Videos and pages of what was recorded and explained."""
