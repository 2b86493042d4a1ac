"""Accuracy: samples to label, and from them areas and accuracies with intervals (Olofsson et al. 2014, Stehman 2014)."""
