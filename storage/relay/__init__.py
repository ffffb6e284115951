"""The relay's rows: schema, migrations, and transactions on three databases.

Never knows a frame or a key: bytes and numbers only.
"""
