"""View: a run on a map in the browser of this computer."""
