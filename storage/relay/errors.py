"""What may go wrong with the relay's database.

Never carries a row's content.
"""


class Unavailable(Exception):
    """The database cannot do it now: full, locked, away or damaged. Nothing was stored."""


class UnsafeDatabase(Exception):
    """The database is set up so that what it confirmed may be lost; the text names the setting."""


class UnknownSchema(Exception):
    """The database was made by a newer Sotto, or by something else."""


class Collision(Exception):
    """The transaction lost against another one's; nothing of it was stored; repeat it."""
