"""The doctor's checks: of the machine, of where runs are stored, of what lies outside."""
