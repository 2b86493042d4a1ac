"""Scoring: maps counted against labels, scores with intervals, calibration."""
