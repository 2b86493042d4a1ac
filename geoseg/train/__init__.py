"""Train: a bundle from a labelled scene."""
