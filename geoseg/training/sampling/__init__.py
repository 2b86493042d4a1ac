"""Sampling: crops drawn on the fly from labelled scenes."""
