"""What goes wrong when hash networks are trained."""


class TrainingError(ValueError):
    """A hash network cannot be trained as asked; the message says what to do about it."""
