"""Quality: thin names over a well-kept library, each with one stated definition."""

from recessive.quality.fidelity import coarse_ssim, l1, linf, mse, psnr, ssim

__all__ = ["coarse_ssim", "l1", "linf", "mse", "psnr", "ssim"]
