"""A local web page to try transforms: hear and see several draws of a chain, then copy its code.

Start it from a terminal; it needs ``pip install "augspec[explore]"``::

    python -m augspec.explore                # the embedded notes
    python -m augspec.explore FOLDER         # the sounds of a folder, or one file
    python -m augspec.explore FOLDER --config frontend.yaml

The page is served to this machine alone, and shows no file outside the folder.
"""
