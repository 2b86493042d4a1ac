"""Augment: crops as they might have been seen otherwise, turned, lit and disturbed, with their labels still right.

The way of one crop, by file name::

    augmenter   draw what will be done, and with it how large a square must be read
    geometry    quarter turns, mirror images, angle, zoom and warp: one map, applied once
    surface     the smooth random fields of the warp and of the hills
    terrain     light: hillshade and cloud shadow
    radiometry  gamma, contrast, brightness, noise, missing bands
    mixing      then, in its batch: copy-paste of rare classes, CutMix

A new augmentation is a field of ``AugmentSettings`` that is off at 0, a function in the module of its subject that takes all
randomness from a generator, and its call in ``augmenter``. It keeps three promises, which the tests hold for all of them:
an image and its labels move together and whole (no label is invented, blended or shifted; unknown is ``IGNORE``); an invalid
pixel stays 0 and adds nothing to its neighbours; the same seed gives the same bytes.
"""

from geoseg.training.augment.augmenter import Augmenter, Draw

__all__ = ["Augmenter", "Draw"]
