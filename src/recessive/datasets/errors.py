"""Errors of data sets."""

from recessive.errors import RecessiveError


class DataError(RecessiveError, ValueError):
    """A data set is missing, damaged or too small; the message says what to do."""


class MissingDataError(DataError):
    """A file or folder of a data set does not exist; `load_data` adds where to get it."""
