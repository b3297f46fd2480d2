"""Values that are shown nowhere until they are sent: tokens, passwords, keys."""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar

T = TypeVar("T", str, bytes)


class Secret(Generic[T]):
    """A string or bytes whose repr, str and format are ``***``, and which cannot be pickled.

    Call :meth:`reveal` where the value is sent or used to sign, in an expression and not in a
    variable: a traceback may show all variables of a frame.

    Parameters
    ----------
    value : str or bytes

    Examples
    --------
    >>> key = Secret("hush")
    >>> key, f"Bearer {key}", key == Secret("hush"), key.reveal()
    (***, 'Bearer ***', True, 'hush')
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value: T = value

    @classmethod
    def of(cls, value: T | Secret[T]) -> Secret[T]:
        """Return a value as a secret; a secret is returned as it is."""
        return value if isinstance(value, Secret) else cls(value)

    def reveal(self) -> T:
        """Return the plain value."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret[T]:
        return self

    def __deepcopy__(self, memo: object) -> Secret[T]:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret cannot be pickled; each process takes its own from settings.")


def plain(value: str | Secret[str]) -> str:
    """Return a string, or the value of a secret: for code that sends either."""
    return value.reveal() if isinstance(value, Secret) else value
