"""The one form of an e-mail address that an account may carry and log in with.

Never looks anything up and never sends: whether the mailbox exists is not known.
"""

import re
from typing import Final

from wire.errors import Code, WireError

MAX_EMAIL_CHARS: Final = 254  # RFC 5321, section 4.5.3.1.3, without the angle brackets
_MAX_LOCAL_CHARS: Final = 64  # RFC 5321, section 4.5.3.1.1
_MAX_DOMAIN_CHARS: Final = 253

# RFC 5322, section 3.2.3: a dot-atom. Quoted local parts are refused: no provider gives them out.
_LOCAL: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def canonical_email(typed: str) -> str:
    """The address in small letters, the domain's labels in ASCII (IDNA), space around it cut.

    The local part is lowered as well, though RFC 5321 lets a server tell case apart: one person who
    types another case is one account. Raises WireError("bad_request").
    """
    if len(typed) > MAX_EMAIL_CHARS:
        raise _refused(f"an e-mail address has at most {MAX_EMAIL_CHARS} characters")
    local, at, domain = typed.strip().rpartition("@")
    if not at:
        raise _refused("an e-mail address looks like name@example.org")
    email = f"{_canonical_local(local)}@{_canonical_domain(domain)}"
    if len(email) > MAX_EMAIL_CHARS:
        raise _refused(f"an e-mail address has at most {MAX_EMAIL_CHARS} characters")
    return email


def _canonical_local(local: str) -> str:
    if not local.isascii() or len(local) > _MAX_LOCAL_CHARS or not _LOCAL.fullmatch(local.lower()):
        raise _refused("the part before the @ of an e-mail address has letters, digits and dots")
    return local.lower()


def _canonical_domain(domain: str) -> str:
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise _refused("the part after the @ of an e-mail address is not a domain") from None
    labels = ascii_domain.split(".")
    if (
        len(ascii_domain) > _MAX_DOMAIN_CHARS
        or len(labels) < 2
        or not all(_LABEL.fullmatch(label) for label in labels)
    ):
        raise _refused("the part after the @ of an e-mail address is not a domain")
    return ascii_domain


def _refused(text: str) -> WireError:
    return WireError(Code.BAD_REQUEST, text)
