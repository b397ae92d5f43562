"""Options of a job: read from the fields of a form, and described for OpenAPI."""

from dataclasses import replace
from functools import cache
from typing import Any, get_args

from recessive.errors import SettingsError
from recessive.options import JobOptions, OptionsError, ServiceOptions, json_schema, read
from recessive.photos import MEDIA_TYPES
from recessive.photos.formats import Format
from recessive.protection.method import MethodError, constants, with_constants
from recessive.protection.methods import METHODS
from recessive.service.http.problems import OptionError, invalid
from recessive.service.http.uploads import PHOTO
from recessive.service.work.targets import TargetError, check_target
from recessive.workflows.method_runner import surrogates_for

LARGER = 10
"""How many times its default a count among the constants of a method may be."""


@cache
def option_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each option, by the name of its field."""
    return json_schema(JobOptions)


def check_constants(options: JobOptions) -> None:
    """Refuse constants that the method does not have, and counts by which one job could use up the memory.

    Raises:
        OptionsError: if the method does not take a constant, or the service does not allow its value.
    """
    method = METHODS[options.method]
    try:
        changed = constants(with_constants(method, options.constants))
    except MethodError as error:
        raise OptionsError(("set", error.problem)) from None
    for usual, now in zip(constants(method), changed, strict=True):
        if type(now.default) is int and now.default > (most := LARGER * max(1, usual.default or 1)):
            raise OptionsError(("set", f"the service allows {usual.name} of at most {most} for {method.name}"))


def job_options(fields: dict[str, list[str]], settings: ServiceOptions) -> JobOptions:
    """Return the options that a form asks for.

    Args:
        fields: texts by the option's name in the command line, without leading hyphens; underscores are accepted, too.
        settings: the options of the service.

    Raises:
        Problem: 422, with each option that makes no sense.
    """
    values: dict[str, Any] = {}
    errors: list[OptionError] = []
    for field, texts in fields.items():
        name = field.replace("-", "_")
        if name not in option_schemas():
            names = ", ".join(map(_option, option_schemas()))
            errors.append(OptionError(field[:40], f"there is no such option; the options are {names}"))
        elif option_schemas()[name]["type"] == "array":
            values[name] = (*values.get(name, ()), *texts)
        elif name in values or len(texts) > 1:
            errors.append(OptionError(_option(name), "is given more than once"))
        else:
            values[name] = texts[0]
    try:
        options = read(JobOptions, values)
        check_constants(options)
        surrogates_for(options.method, options.encoder)  # refuse what does not fit before a job is made
        if options.deliver_to is not None:
            options = replace(options, deliver_to=check_target(options.deliver_to, settings.deliver_to))
    except OptionsError as error:
        errors += [OptionError(*problem) for problem in error.errors]
    except TargetError as error:
        errors.append(OptionError("deliver-to", str(error)))
    except SettingsError as error:
        errors.append(OptionError("encoder", str(error)))
    if errors:
        raise invalid(*errors)
    return options


def form_schema() -> dict[str, Any]:
    """Return the form as OpenAPI describes the body of a request."""
    photo = {"type": "string", "format": "binary", "description": f"one file: {', '.join(get_args(Format))}"}
    properties = {PHOTO: photo} | {_option(name): schema for name, schema in option_schemas().items()}
    return {"type": "object", "properties": properties, "required": [PHOTO], "additionalProperties": False}


def form_body() -> dict[str, Any]:
    """Return the body of a request with that form."""
    encoding = {PHOTO: {"contentType": ", ".join(MEDIA_TYPES.values())}}
    content = {"multipart/form-data": {"schema": form_schema(), "encoding": encoding}}
    return {"required": True, "content": content}


def _option(name: str) -> str:
    return name.replace("_", "-")
