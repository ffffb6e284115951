"""What bench.mls compares: one worker process for each library, ours among them.

A worker reads one request a line and answers with one line; see worker.py for both.
"""
