"""Model: bundles, networks and predictors; torch lives here and in train."""
