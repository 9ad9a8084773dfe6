"""``python -m augspec.ablation``: the same as ``python recipes/ablation.py``."""

import sys

from augspec.ablation.command import main

if __name__ == "__main__":
    sys.exit(main())
