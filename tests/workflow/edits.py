"""Edits of a config."""


def put(key, value):
    """Return an edit that sets a dotted key of the config to `value`, or removes it if `value` is None."""

    def edit(config):
        *path, last = key.split(".")
        for part in path:
            config = config[int(part) if isinstance(config, list) else part]
        if value is None:
            del config[last]
        else:
            config[last] = value

    return edit
