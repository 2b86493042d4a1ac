"""Doctor: whether this machine and this installation can do what geoseg does; ``examine`` runs the checks, each by itself."""
