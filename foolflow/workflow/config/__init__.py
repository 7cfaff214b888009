"""The workflow's config: read it, fill in its defaults, and check it before anything runs.

A problem is one line: the key, what is wrong, and what is allowed.
"""
