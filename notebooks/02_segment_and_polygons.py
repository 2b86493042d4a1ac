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
# # A class map, its polygons and areas
#
# The main job: a scene and a bundle go in; a class map, polygons and areas come out. The same as `geoseg segment
# scene.tif map --bundle bundle --confidence`.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

import geoseg

SAMPLE = Path(geoseg.__file__).parents[1] / "samples/north_carolina"

# %% [markdown]
# ## Segment
#
# Blocks are committed one by one: a run that is stopped goes on where it was when the same call is made again.
# `report.html` in the folder is the page to look at in a browser.

# %%
made = geoseg.segment(SAMPLE / "scene.tif", SAMPLE / "bundle", "map", confidence=True, overwrite=True)
made

# %%
sorted(path.name for path in made.folder.iterdir() if not path.name.startswith("."))

# %% [markdown]
# ## The result, lazily
#
# `open_result` gives the rasters as an xarray Dataset: blocks of Dask with CRS, classes as CF's flags. `result.geoseg`
# knows the legend, the record of the run and the polygons.

# %%
result = geoseg.open_result("map")
result

# %%
legend = result.geoseg.legend
sure = result.confidence.where(result.mask != legend.nodata)

figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
order = ListedColormap([np.array(colour) / 255 for colour in legend.colours.values()])
index = sum((result.mask == value) * i for i, value in enumerate(legend.values)).where(result.mask != legend.nodata)
image = index.plot.imshow(ax=axes[0], cmap=order, vmin=-0.5, vmax=len(legend.values) - 0.5, add_colorbar=False)
bar = figure.colorbar(image, ax=axes[0], ticks=range(len(legend.values)))
bar.ax.set_yticklabels(legend.names.values())
axes[0].set_title("class")
sure.plot.imshow(ax=axes[1], cmap="cividis", vmin=0, vmax=100)
axes[1].set_title("confidence, %")
for axis in axes:
    axis.set(xlabel="", ylabel="", xticks=[], yticks=[], aspect="equal")
plt.show()

# %% [markdown]
# The confidence is the network's largest probability. Where it is low, look before you believe: here by class.

# %%
for value, name in legend.names.items():
    here = sure.where(result.mask == value)
    print(
        f"{name:15} {float(here.mean()):3.0f} % on average, below 50 % on {float((here < 50).sum() / here.count()):.0%}"
    )

# %% [markdown]
# ## Areas
#
# Measured on the ellipsoid, whatever the CRS. Map area is not area: what the map gets wrong is in it. How to correct for
# that stands in notebook 03.

# %%
table = geoseg.area("map/mask.tif")
table

# %%
assert abs(sum(row.area_ha for row in table.classes) - sum(item["area_ha"] for item in made.run["areas"])) < 1e-6

# %% [markdown]
# ## Polygons
#
# One for each region of connected pixels of one class. They are read when they are asked for, all or in a box.

# %%
polygons = result.geoseg.polygons()
polygons.sort_values("area_ha", ascending=False).head()

# %%
largest = polygons[polygons["class_name"] == "water"].nlargest(1, "area_ha").iloc[0]
assert np.isclose(polygons["area_m2"].sum() / 1e4, sum(row.area_ha for row in table.classes))
print(f"the largest water: {largest['area_ha']:.1f} ha, {largest['n_pixels']} pixels")

# %% [markdown]
# ## Without the specks
#
# A minimum mapping unit of 2 ha: smaller regions become part of the neighbour with the longest border. Then polygons
# again, with outlines that cut the staircase of the pixels; borders that two share stay shared.

# %%
geoseg.sieve("map/mask.tif", "sieved.tif", min_area=20_000, overwrite=True)
simple = geoseg.polygonize("sieved.tif", "simple.gpkg", simplify=30, overwrite=True)
simple

# %%
import geopandas

figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
left, bottom, right, top = 636_000, 222_000, 640_000, 226_000
colours = {name: np.array(legend.colours[value]) / 255 for value, name in legend.names.items()}
for axis, frame, title in (
    (axes[0], polygons, "as mapped"),
    (axes[1], geopandas.read_file("simple.gpkg", layer="landcover"), "2 ha and more, simplified"),
):
    frame.plot(ax=axis, color=frame["class_name"].map(colours), edgecolor="white", linewidth=0.3)
    axis.set(title=f"{title}: {len(frame)}", xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
plt.show()
