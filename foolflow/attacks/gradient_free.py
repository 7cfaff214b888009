"""The attacks that need no gradient. Every attack depends on this module, so it imports nothing."""

GRADIENT_FREE = ("autoattack", "corrupt", "square")  # on a model without a gradient, `autoattack` is a random search
