"""Engines run the workers of a fit. A fit tells its workers what to do by a few verbs, and knows nothing else of them.

A worker has a memory of its own: it is told everything by arguments, and returns arrays, numbers, and tuples and lists
of them. The verbs are the methods of :class:`embrec.engines.protocol.Engine`.
"""
