"""Data: labelled scenes, their pixels counted, and the digest of all of it."""
