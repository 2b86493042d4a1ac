"""Splits: which places are trained on, which steer the training, which are kept to test it."""
