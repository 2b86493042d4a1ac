"""Report: figures, page and STAC item of a run."""
