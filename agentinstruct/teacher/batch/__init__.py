"""Asking by batch: a client that parks its questions, the files they travel in, and the providers that take them.

Nothing here knows a journal or a run; who waits for what, and what survives a crash, is the batcher's.
"""
