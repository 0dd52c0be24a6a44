"""Where to compute and in what precision (chapter 8)."""

import torch


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """The device asked for, else a GPU if there is one, else the CPU. Raises ValueError for one that is not there."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device  # "cuda" becomes "cuda:0", the one that is current
    except (RuntimeError, AssertionError) as error:  # an unknown word, no such GPU, or a PyTorch without CUDA
        raise ValueError(f"there is no device {str(device)!r} here; use cpu, or cuda where there is a GPU") from error


def pick_precision(precision: str, device: torch.device) -> torch.dtype:
    """ "float32", "bfloat16", or for "auto" bfloat16 where the processor computes it natively, which is where it is
    fast.

    Raises ValueError for another word.
    """
    if precision == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:  # the two x86 instruction sets that multiply bfloat16; older PyTorch cannot tell, so it gets float32
            names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
            probes = [getattr(torch.cpu, name, None) for name in names]
            native = device.type == "cpu" and any(probe is not None and probe() for probe in probes)
        precision = "bfloat16" if native else "float32"
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision must be auto, float32 or bfloat16; got {precision!r}")
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
