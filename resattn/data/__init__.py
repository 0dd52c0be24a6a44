"""What the network learns from.

Image sets, each whole in memory as bytes with its labels and, where it has them, its true masks: CIFAR from the disk or
downloaded there, and Scenes, painted here. Picture files, one by one and in folders. And the way from all of these to
the batches of a training step: order, augmentation, normalisation, on the device.
"""

from .augment import cutout, mixup, random_crop, random_flip
from .batches import Batches, Normalise, channel_statistics, generator_for
from .catalogue import at_hand, load, scenes
from .cifar import cifar10, cifar100, data_folder
from .cued import CuedSet, cued_scenes
from .downloads import DownloadError
from .folder import FolderBatches, folder_set
from .label_noise import corrupt_labels
from .listing import Listing, find_bad, list_images
from .pictures import Picture, picture_set, read_picture
from .scenes.cued import recue
from .sets import DataError, ImageSet

__all__ = [
    "Batches",
    "CuedSet",
    "DataError",
    "DownloadError",
    "FolderBatches",
    "ImageSet",
    "Listing",
    "Normalise",
    "Picture",
    "at_hand",
    "channel_statistics",
    "cifar10",
    "cifar100",
    "corrupt_labels",
    "cued_scenes",
    "cutout",
    "data_folder",
    "find_bad",
    "folder_set",
    "generator_for",
    "list_images",
    "load",
    "mixup",
    "picture_set",
    "random_crop",
    "random_flip",
    "read_picture",
    "recue",
    "scenes",
]
