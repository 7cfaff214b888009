"""Read the workflow's config, fill in its defaults, and check it before anything runs.

Each problem is reported in one line: the key, the error, and the allowed values.
"""
