# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Plan a run, and look at the scene first
#
# What is in the file, does the bundle fit it, what would a run take? None of that reads the whole scene. Here the scene
# is a small Landsat 7 cut of North Carolina that ships with geoseg's source, and so does the bundle.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import geoseg

SAMPLE = Path(geoseg.__file__).parents[1] / "samples/north_carolina"

# %% [markdown]
# ## The scene
#
# Opening reads what the file says, and samples of its bytes to know it again. The picture comes from overviews where the
# file has them.

# %%
scene = geoseg.open_scene(SAMPLE / "scene.tif")
scene

# %% [markdown]
# ## The bundle
#
# A bundle is a folder with a network, the bands that it reads, by name, its classes and what it scored on places that it
# had not seen.

# %%
bundle = geoseg.open_bundle(SAMPLE / "bundle")
bundle

# %%
bundle.legend

# %% [markdown]
# Bands are found by name. A scene without one of them is refused, and the error says what there is:

# %%
try:
    scene.select(["red", "nir", "swir2"])
except geoseg.InputRefused as error:
    print(error)

# %% [markdown]
# ## What a run would take
#
# A *chip* is what the network sees at once; of its *halo* nothing is kept. A *block* of chips is what one worker does,
# commits and would do again. This small scene is one block:

# %%
geoseg.plan(scene, bundle)

# %% [markdown]
# Memory decides on the size of blocks, not the size of the scene. Here is one of 40,000 by 40,000 pixels, of which the
# file says that it is empty: 16 gigabytes that were never written.

# %%
import rasterio

with rasterio.open(SAMPLE / "scene.tif") as like:
    profile = {"crs": like.crs, "transform": like.transform, "dtype": "uint16", "sparse_ok": True}
names = [band.name for band in scene.bands]
with rasterio.open(
    "large.tif", "w", "GTiff", 40_000, 40_000, len(names), tiled=True, compress="deflate", bigtiff="yes", **profile
) as file:
    file.descriptions = names
large = geoseg.open_scene("large.tif")
plan = geoseg.plan(large, bundle, ram=2 << 30)
plan

# %%
assert plan.worker_bytes <= 2 << 30
print(f"{Path('large.tif').stat().st_size / 2**10:.0f} KiB on the disk, {plan.read_bytes / 2**30:.0f} GiB to read")

# %% [markdown]
# ## The pixels, lazily
#
# `to_xarray` gives blocks of Dask with coordinates and CRS (`spatial_ref`, as rioxarray has it). Nothing is read before a
# result is asked for, and then only the blocks that it needs.

# %%
image = scene.to_xarray(chunk=128)
image

# %%
nir, red = image.sel(band="nir"), image.sel(band="red")
ndvi = (nir - red) / (nir + red)
print(f"mean NDVI {float(ndvi.mean()):.2f}, of digital numbers: a look, not a measurement")

figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
colours = image.sel(band=["nir", "red", "green"])
low, high = colours.quantile(0.02, dim=("y", "x")), colours.quantile(0.98, dim=("y", "x"))
((colours - low) / (high - low)).clip(0, 1).fillna(1).plot.imshow(rgb="band", ax=axes[0])
axes[0].set_title("near infrared, red, green")
ndvi.plot.imshow(ax=axes[1], cmap="BrBG", vmin=-0.5, vmax=0.5, cbar_kwargs={"label": "", "shrink": 0.7})
axes[1].set_title("NDVI")
for axis in axes:
    axis.set(xlabel="", ylabel="", xticks=[], yticks=[], aspect="equal")
plt.show()

# %% [markdown]
# The middle of the large scene is as near: one block is read, and it is empty.

# %%
middle = large.to_xarray().sel(band="red")[20_000:20_100, 20_000:20_100]
assert np.isfinite(middle.values).sum() in (0, middle.size)
print(middle.shape, "pixels, read in a moment")
