"""``python -m geoseg``: the same as the command ``geoseg``."""

from geoseg.cli.main import main

if __name__ == "__main__":  # a spawned worker process imports this module too
    main()
