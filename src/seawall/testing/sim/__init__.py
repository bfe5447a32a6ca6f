"""A fleet in one process, on made-up time: the real planner, course and xDS sessions, and chance.

Only what is outside Seawall is made up: the clock, the network, disks, Envoy's process and what
clients would see. Everything that decides is the code that runs in production. One seed gives one
history, to the last event.
"""
