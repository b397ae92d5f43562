"""Options: what the commands, the HTTP API and Python callers may ask for, each declared once.

An option is one field of a frozen dataclass. Its type, its bounds (``Annotated[int, Checked(Ge(1), Le(1000))]``) and
its explanation in the class docstring are all there is to say about it:

- the command line reads the dataclass for its arguments and their help (cyclopts),
- `check` refuses values that are out of bounds, whoever gave them, and names the option as it is typed,
- `json_schema` describes the same fields for OpenAPI, from which the HTTP API makes its form,
- `dump` and `read` turn options into JSON and back, for jobs that are stored and workers that are started.

    MethodOptions              how a method changes photos, and how they are saved and judged
    ├── ProtectOptions         `recessive protect`, `recessive watch`, the scripts
    │   └── JobOptions         what the service offers for one photo: no files of the machine, and tighter bounds
    └── PrivateQueryOptions    `recessive private-query`
    AuditOptions               `recessive audit`
    PlaceOptions               `recessive keys`: where a service keeps its photos and its database
    └── WorkOptions            `recessive worker`
        └── ServiceOptions     `recessive serve`
    TrainOptions               `recessive train`

To add an option, add its field and its sentence here and use it in the workflow. This package imports neither torch nor
pydantic before `check`, `read` or `json_schema` is called, so that ``recessive --help`` is quick.
"""

from recessive.options.fields import LOCAL, Options, OptionsError, check, dump, explain, json_schema, read
from recessive.options.protect import AuditOptions, JobOptions, MethodOptions, PrivateQueryOptions, ProtectOptions
from recessive.options.service import PlaceOptions, ServiceOptions, WorkOptions
from recessive.options.training import TrainOptions

__all__ = [
    "LOCAL",
    "AuditOptions",
    "JobOptions",
    "MethodOptions",
    "Options",
    "OptionsError",
    "PlaceOptions",
    "PrivateQueryOptions",
    "ProtectOptions",
    "ServiceOptions",
    "TrainOptions",
    "WorkOptions",
    "check",
    "dump",
    "explain",
    "json_schema",
    "read",
]
