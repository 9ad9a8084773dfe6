"""A local web page to try transforms: hear and see draws of a chain, and copy its code.

Start it from a terminal; it needs ``pip install "augspec[explore]"``::

    python -m augspec.explore                # the embedded notes
    python -m augspec.explore FOLDER         # the sounds of a folder, or one file
    python -m augspec.explore FOLDER --config frontend.yaml

The page is served only to this machine, and shows only files of the folder.
"""
