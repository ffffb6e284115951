"""Run every measurement of this folder that needs no other program."""

from bench import latency, startup

startup.main()
latency.main()
