"""Random transforms: parameters drawn per example, applied by `augspec.functional`."""
