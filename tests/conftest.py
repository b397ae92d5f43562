"""For all tests: properties are tried on the same examples each time, however slow the machine is."""

from hypothesis import settings

settings.register_profile("same-everywhere", deadline=None, derandomize=True)
settings.load_profile("same-everywhere")
