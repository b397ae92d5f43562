"""Options of a job: from the fields of a form, and as the API's document describes them."""

from typing import Any, get_args

from pydantic import ValidationError

from recessive.encoders import bundled_encoders
from recessive.errors import SettingsError
from recessive.photos import MEDIA_TYPES
from recessive.photos.formats import Format
from recessive.service.http.problems import OptionError, invalid, option_errors
from recessive.service.http.uploads import PHOTO
from recessive.service.settings import JobOptions, ServiceSettings, check_options, usable_methods
from recessive.service.work.targets import TargetError, check_target
from recessive.transforms import pattern

SEVERAL = {name for name, field in JobOptions.model_fields.items() if field.default == ()}
"""Options that may be given more than once."""

_HELP = {
    "method": "how to protect; see /v1/methods",
    "encoder": "to protect against; see /v1/encoders; by default all that are seen and fit the method",
    "budget": "largest change, in 1/255; by default the method's",
    "norm": "whether the budget bounds each value or the root mean square",
    "steps": "at most so many; by default the method's",
    "survive": "transforms that the photo should stay hidden after",
    "check": "transforms that the verdict is asked again after",
    "grid": "longest side in pixels of the grid that the change lives on",
    "seed": "of all that is random",
    "format": "of the saved file; by default that of the photo",
    "quality": "of lossy formats",
    "keep_location": "leave the GPS position in the file",
    "deliver_to": "URL or folder, on the service's allow-list, that gets the photo once it passes the audit",
    "passes": "who must not find it for that: the encoders optimised against, or all that were asked",
}


def job_options(fields: dict[str, list[str]], settings: ServiceSettings) -> JobOptions:
    """The options that a form asks for.

    Args:
        fields: by the option's name in the CLI, without the hyphens before; underscores will do.
        settings: of the service.

    Raises:
        Problem: 422, with each option that makes no sense.
    """
    values: dict[str, Any] = {}
    errors: list[OptionError] = []
    for field, texts in fields.items():
        name = field.replace("-", "_")
        if name not in JobOptions.model_fields:
            errors.append(OptionError(field[:40], f"is no option; there are {', '.join(map(_option, _HELP))}"))
        elif name in SEVERAL:
            values[name] = (*values.get(name, ()), *texts)
        elif name in values or len(texts) > 1:
            errors.append(OptionError(_option(name), "is given more than once"))
        else:
            values[name] = texts[0]
    try:
        options = JobOptions(**values)
    except ValidationError as error:
        errors += option_errors(error.errors())
    if errors:
        raise invalid(*errors)
    try:
        check_options(options)
        if options.deliver_to is not None:
            return options.model_copy(update={"deliver_to": check_target(options.deliver_to, settings.deliver_to)})
    except SettingsError as error:
        raise invalid(OptionError("encoder", str(error))) from None
    except TargetError as error:
        raise invalid(OptionError("deliver-to", str(error))) from None
    return options


def form_schema() -> dict[str, Any]:
    """The form as OpenAPI describes the body of a request."""
    properties: dict[str, Any] = {
        PHOTO: {"type": "string", "format": "binary", "description": f"one file: {', '.join(get_args(Format))}"}
    }
    for name, schema in JobOptions.model_json_schema()["properties"].items():
        kinds = [kind for kind in schema.pop("anyOf", []) if kind != {"type": "null"}]
        described = {**schema, **(kinds[0] if kinds else {}), "description": _HELP[name]}
        described.pop("title", None)
        if described.get("default", ...) is None:
            del described["default"]
        properties[_option(name)] = described
    properties["method"]["enum"] = list(usable_methods())
    properties["encoder"]["items"]["enum"] = list(bundled_encoders())
    properties["format"]["enum"] = [name.lower() for name in get_args(Format)]
    for name in ("survive", "check"):
        properties[name] |= {"items": {"type": "string", "pattern": pattern()}, "examples": [["jpeg:75"]]}
    return {"type": "object", "properties": properties, "required": [PHOTO], "additionalProperties": False}


def form_body() -> dict[str, Any]:
    """The body of a request with that form."""
    encoding = {PHOTO: {"contentType": ", ".join(MEDIA_TYPES.values())}}
    content = {"multipart/form-data": {"schema": form_schema(), "encoding": encoding}}
    return {"required": True, "content": content}


def _option(name: str) -> str:
    return name.replace("_", "-")
