"""What the paper prints: the results of Wang et al. (CVPR 2017), Tables 1 and 3 to 7 and Fig. 4 (chapter 11). It does
not say of how many runs a number is. Errors are in per cent, on CIFAR-10 unless said otherwise; Table 2 is a layout and
prints no result.

``TABLE_3["Attention-56"]`` is the error with attention residual learning, and with naive attention.
"""

TEST_PICTURES = {"cifar10": 10_000, "cifar100": 10_000, "imagenet": 50_000}

# error of Attention-56 with each activation of the mask
TABLE_1 = {"mixed": 5.52, "channel": 6.24, "spatial": 6.33}

# error with attention residual learning, with naive attention
TABLE_3 = {
    "Attention-56": (5.52, 5.89),
    "Attention-92": (4.99, 5.35),
    "Attention-128": (4.44, 5.57),
    "Attention-164": (4.31, 7.18),
}

# error of Attention-56 with each mask branch
TABLE_4 = {"encoder-decoder": 5.52, "local convolutions": 6.48}

# label noise in per cent: error of ResNet-164, of Attention-92
TABLE_5 = {10: (5.93, 5.15), 30: (6.61, 5.79), 50: (8.35, 7.27), 70: (17.21, 15.75)}

# millions of parameters, error on CIFAR-10, error on CIFAR-100
TABLE_6 = {
    "ResNet-164": (1.7, 5.46, 24.33),
    "ResNet-1001": (10.3, 4.64, 22.71),
    "WRN-16-8": (11.0, 4.81, 22.07),
    "WRN-28-10": (36.5, 4.17, 20.50),
    "Attention-92": (1.9, 4.99, 21.71),
    "Attention-236": (5.1, 4.14, 21.16),
    "Attention-452": (8.6, 3.90, 20.45),
}

# ImageNet: millions of parameters, billions of multiply-adds, side of the test image, top-1 error, top-5 error
TABLE_7: dict[str, tuple[float | None, float | None, int, float, float]] = {
    "ResNet-152": (60.2, 11.3, 224, 22.16, 6.16),
    "Attention-56": (31.9, 6.3, 224, 21.76, 5.9),
    "ResNeXt-101": (44.5, 7.8, 224, 21.2, 5.6),
    "AttentionNeXt-56": (31.9, 6.3, 224, 21.2, 5.6),
    "Inception-ResNet-v1": (None, None, 299, 21.3, 5.5),
    "AttentionInception-56": (31.9, 6.3, 299, 20.36, 5.29),
    "ResNet-200": (64.7, 15.0, 320, 20.1, 4.8),
    "Inception-ResNet-v2": (None, None, 299, 19.9, 4.9),
    "Attention-92": (51.3, 10.4, 320, 19.5, 4.8),
}

# mean absolute response of stages 2 and 3 over that of stage 1, read off the drawing
FIG_4 = {"ARL": (0.524, 0.299), "NAL": (0.017, 0.009), "ResNet-164": (0.565, 0.303)}
