"""The arguments of the components, for programs in Python and for Pulumi's schema analyzer: components/irsa/args.py.

It is written before the component's schema, which is generated from it.
"""

import inspect
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import irsa
from docs.generate.models import descriptions, models
from irsa.keys.binding import Keys, Mark, Plain, ServiceAccountRoleKeys, is_model, unwrapped
from irsa.keys.guard import IdentityGuardKeys
from irsa.rules.names import NameRule

FILE = Path(irsa.__file__).with_name("args.py")
HEAD = '''"""The arguments of the components, as programs write them and as the schema for other languages has them.

Generated from irsa/keys by `make generate`. `pulumi.Input` marks arguments that may be outputs of other resources; one
that decides which resources exist is plain. Pulumi's schema analyzer reads these classes; it does not support unions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
'''
# What is other than its annotation says: a document may be text, and IAM's grammar tells what is in conditions.
OTHERWISE = {Mark.DOCUMENT: Any, Mark.CONDITIONS: dict[str, dict[str, Any]]}


def text() -> str:
    """Return the module."""
    classes = {model: None for component in (ServiceAccountRoleKeys, IdentityGuardKeys) for model in models(component)}
    return "\n\n".join([HEAD, *map(_class, classes)])


def _class(model: type[Keys]) -> str:
    lines = [f"class {_name(model)}(TypedDict):", _docstring(str(inspect.getdoc(model))), ""]
    described = descriptions(model)
    for name, field in model.model_fields.items():
        if Mark.STACK_FILE in field.metadata:
            continue
        type_ = _type(field.annotation, field.metadata)
        is_required = field.is_required() or Mark.REQUIRED in field.metadata
        lines += [f"    {name}: {type_ if is_required else f'NotRequired[{type_}]'}", _docstring(described[name])]
    return "\n".join(lines) + "\n"


def _name(model: type[Keys]) -> str:
    return f"{model.__name__.removesuffix('Keys')}Args"


def _docstring(text: str) -> str:
    return textwrap.indent(f'"""{text}"""', "    ")


def _type(annotation: Any, marks: Sequence[Any] = (), is_plain: bool = False) -> str:
    annotation, marks = unwrapped(annotation, marks)
    annotation = next((OTHERWISE[mark] for mark in marks if isinstance(mark, Mark) and mark in OTHERWISE), annotation)
    if is_model(annotation):
        return _name(annotation)
    is_plain = is_plain or any(isinstance(mark, Plain) for mark in marks)
    *_, item = inner = get_args(annotation) or (None,)
    written = "Any" if annotation is Any else getattr(annotation, "__name__", "")
    if item:
        written = f"{'Mapping[str, ' if len(inner) > 1 else 'Sequence['}{_type(item, (), is_plain)}]"
    # The keys of these become names of resources, and so do the items of lists of mappings.
    is_plain = is_plain or is_model(item) or any(isinstance(mark, NameRule) for mark in marks)
    return written if is_plain else f"pulumi.Input[{written}]"
