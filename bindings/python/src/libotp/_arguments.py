"""What Python hands in, as the library takes it."""

from __future__ import annotations

import json
import unicodedata
from typing import Any, Dict, Mapping, Optional, Union

from ._errors import argument_error

#: A configuration: a mapping with the names of the JSON fields, or JSON text; None is all defaults.
Config = Union[Mapping[str, Any], str, None]

#: As ``json.dumps``, which makes an encoder each time. Not ASCII alone: what is longer escaped than written might not
#: fit.
_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


def text(value: str, name: str) -> bytes:
    """A text for C, which would end it at a NUL without a word: ``"alice\\0x"`` must not become ``"alice"``."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str, not {type(value).__name__}")
    if "\0" in value:
        raise argument_error(f"{name} must not have a NUL character")
    try:
        return value.encode()
    except UnicodeEncodeError:
        pass
    # Not in the handler: what is handled there carries the text, and would come along as the context.
    raise argument_error(f"{name} is not valid Unicode")


#: Categories of letters that no code is made of: white space, dashes, invisible characters.
_BLANK = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf", "Pd"))


def is_blank(code: str) -> bool:
    """Whether nobody typed anything: blanks, dashes and invisible characters alone, or nothing at all."""
    return not code or (not code.isalnum() and all(unicodedata.category(letter) in _BLANK for letter in code))


def optional_text(value: Optional[str], name: str) -> Optional[bytes]:
    return None if value is None else text(value, name)


def _json(members: Dict[str, Any], name: str) -> bytes:
    try:
        return _object(members).encode()
    except UnicodeEncodeError:
        wrong = "is not valid Unicode"
    except (ValueError, RecursionError):
        wrong = "holds what JSON cannot express"
    raise argument_error(f"{name} {wrong}")


def _object(members: Dict[str, Any]) -> str:
    # The encoder has a short way for a text alone: texts one by one take a third of what the whole object takes.
    parts = []
    for name, member in members.items():
        if type(name) is not str or type(member) is not str:
            return _encode(members)
        parts.append(f"{_encode(name)}:{_encode(member)}")
    return "{" + ",".join(parts) + "}"


def config(value: Config, hosted: bool) -> Optional[bytes]:
    """The configuration as JSON; with ``hosted`` sender "host" is added where no sender is configured."""
    if isinstance(value, str):
        return text(_hosted_text(value) if hosted else value, "config")
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        raise TypeError(f"config must be a mapping or str, not {type(value).__name__}")
    members = dict(value)
    if hosted and "senders" not in members:
        members.setdefault("sender", {"type": "host"})
    return _json(members, "config")


def _hosted_text(value: str) -> str:
    # The text is added to and not written anew, so that the library sees a repeated member.
    try:
        parsed = json.loads(value)
    except ValueError:
        return value
    if not isinstance(parsed, dict) or "sender" in parsed or "senders" in parsed:
        return value
    comma = "," if parsed else ""
    return value.rstrip()[:-1] + comma + '"sender":{"type":"host"}}'


def request(value: Optional[Mapping[str, Any]], fields: Mapping[str, Any], what: str = "request") -> Optional[bytes]:
    """The request as JSON, from a mapping, keywords or both. A keyword that is None is left out."""
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{what} must be a mapping, not {type(value).__name__}")
    members: Dict[str, Any] = {} if value is None else dict(value)
    for name, field in fields.items():
        if field is None:
            continue
        if name in members:
            raise TypeError(f"{name} is in the {what} and is a keyword as well")
        members[name] = field
    return _json(members, what) if members or value is not None else None
