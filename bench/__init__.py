"""Bench: how fast geoseg is and how much memory it takes, beside what people use today. Run ``python -m bench``."""
