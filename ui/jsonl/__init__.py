"""The JSON face: JSON-RPC 2.0, one object a line, for scripts and bots.

Never prints anything else on standard output.
"""
