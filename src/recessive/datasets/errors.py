"""What goes wrong with data sets."""


class DataError(ValueError):
    """A data set is missing, damaged or too small; the message is one line that says what to do."""


class MissingDataError(DataError):
    """A file or folder is not there; the message names it, and `load_data` adds where to get it."""
