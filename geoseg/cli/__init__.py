"""The command line: one page per verb."""
