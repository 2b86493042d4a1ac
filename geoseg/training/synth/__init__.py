"""Synth: land that never was, seen from above, with its true classes; a pure function of seed and place."""
