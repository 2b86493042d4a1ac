"""What several tests share: factories, oracles, slow and obvious references. Imported as ``tests.helpers.<module>``."""
