"""Names and calling conventions of other libraries, on augspec's kernels."""
