"""Real parts for the tests: ACME servers, DNS, databases, brokers, a browser and the product.

Every part is a process of its own on a free loopback port, started with a readiness condition
and ended by its process id. A part that is missing on the machine is an error, never a skip.
"""
