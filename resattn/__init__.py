"""The Residual Attention Network (Wang et al., CVPR 2017): derived, built, trained and looked into."""

from .networks import create, list_models

__version__ = "0.1.0"
__all__ = ["create", "list_models"]
