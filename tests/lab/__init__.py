"""A small internet of Linux network namespaces: routers, firewalls, strangers, a CA, our gateway.

Everything in it has real addresses and real kinds of trouble; nothing of it is seen outside, and
it is gone with the process that made it.
"""
