"""Replies whose JSON is read when somebody asks for a member."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Type, TypeVar, Union

_R = TypeVar("_R", bound="Reply")

#: A reply, or a part of one, as it came or with its JSON read.
Unread = Union[bytes, Mapping[str, Any]]

#: What ``json.loads`` comes to for one object in UTF-8; its looks at encoding and space cost as much as the object.
_decode = json.JSONDecoder().raw_decode


def decoded(text: bytes) -> Dict[str, Any]:
    """The members of a reply."""
    members: Dict[str, Any] = _decode(text.decode())[0]
    return members


class Reply:
    """A dataclass whose fields may not have been read yet."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Python asks for what is not there. Two threads at once read the same twice, and neither meets half of it.
            fields_read = vars(self)
            if "_unread" in fields_read and not name.startswith("_"):
                read, reply, *known = fields_read["_unread"]
                fields_read.update(read(decoded(reply) if isinstance(reply, bytes) else reply, *known))
                if name in fields_read:
                    return fields_read[name]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def read_later(kind: Type[_R]) -> Type[_R]:
    """Takes the defaults off a class: they would be found in the place of what is not read yet."""
    for each in fields(kind):  # type: ignore[arg-type]
        if each.default is not MISSING:
            delattr(kind, each.name)
    return kind


def later(kind: Type[_R], read: Callable[..., Dict[str, Any]], reply: Unread, *known: Any) -> _R:
    """An object whose fields ``read`` makes of the reply and of what is known besides, once somebody asks."""
    answer = kind.__new__(kind)
    vars(answer)["_unread"] = (read, reply, *known)
    return answer
