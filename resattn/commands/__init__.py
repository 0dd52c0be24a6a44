"""The commands of ``python -m resattn``, one module each: what it is asked (``add_to``) and what it does (``run``).
:mod:`resattn.__main__` puts them together."""

from . import data, evaluate, look, masks, models, train

# In the order in which --help lists them.
COMMANDS = (train, evaluate, look, masks, models, data)

__all__ = ["COMMANDS"]
