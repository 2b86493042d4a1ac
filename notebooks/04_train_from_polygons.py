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
# # Train from your polygons
#
# Some polygons with a column of classes, drawn over a scene, are enough to begin with. Here the land is made up, so that
# the truth is known everywhere: we draw a few polygons as a person would, train on them, and see how right the map is
# where nobody drew any, and whether the scores that the bundle states say so.

# %%
import geopandas
import matplotlib.pyplot as plt
import numpy as np
import shapely
from matplotlib.colors import ListedColormap

import geoseg

land = geoseg.synth("land", size=512, seed=4, overwrite=True)
scene = geoseg.open_scene(land.scenes[0])
scene

# %% [markdown]
# ## Polygons of somebody who looks at the scene
#
# Discs of 40 to 120 m, cut where the class ends; twelve of each class. In your own work
# this is a file from QGIS with a column `class`.

# %%
truth = geoseg.polygonize(land.truths[0], "truth.gpkg", overwrite=True)
regions = geopandas.read_file("truth.gpkg", layer="landcover")
rng = np.random.default_rng(1)
drawn = []
for name, group in regions.groupby("class_name"):
    inner = geopandas.GeoSeries([group.geometry.buffer(-30).union_all()])  # away from the edges, as one draws
    for point in inner.sample_points(12, rng=rng).explode():
        disc = point.buffer(rng.uniform(40, 120))
        drawn.append({"class": name, "geometry": shapely.intersection(disc, inner.iloc[0].buffer(20))})
labels = geopandas.GeoDataFrame(drawn, crs=regions.crs)
labels.to_file("labels.gpkg", layer="labels")
share = labels.area.sum() / regions.area.sum()
print(f"{len(labels)} polygons, {share:.1%} of the scene")
labels["class"].value_counts()

# %% [markdown]
# ## The job
#
# The same keys as in a YAML file of `geoseg train JOB.yaml`. The split is by place: blocks of the ground are kept for the
# test, so that neighbours of what was learned are not what is tested. A small network and few steps are enough to show
# the way.

# %%
job = {
    "name": "from-my-polygons",
    "scenes": [{"scene": str(land.scenes[0]), "labels": "labels.gpkg"}],
    "bands": [band.name for band in scene.bands],
    "recode": {name: name for name in sorted(set(labels["class"]))},
    "split": {"by": "blocks", "block": 64, "buffer": 0},
    "network": {"architecture": "Dilated", "encoder": "none", "params": {"width": 16, "dilations": [1, 1, 2]}},
    "chip_size": 128,
    "samples": {"crop": 32, "balance": 0.5, "labelled": 0},
    "fit": {"steps": 120, "batch_size": 8, "learning_rate": 0.003, "seed": 0, "threads": 1},
}
made = geoseg.train(job, "bundle", overwrite=True)
made

# %% [markdown]
# ## The map, against the truth
#
# Of made-up land every pixel is known, also where nobody drew.

# %%
found = geoseg.segment(scene, made.bundle, "map", only="mask", overwrite=True)
score = geoseg.evaluate(made.bundle, scene, land.truths[0]).scores["overall"]["overall_accuracy"]["value"]
print(f"right on {score:.0%} of all pixels, of which {share:.1%} were labelled")
assert score > 0.5

# %%
mask = geoseg.open_result("map").mask
legend = made.bundle.legend
cover = ListedColormap([np.array(legend.colours.get(v, (220, 220, 220))) / 255 for v in range(max(legend.values) + 1)])
image = scene.to_xarray().sel(band=["nir", "red", "green"])

figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
(image / image.quantile(0.98, dim=("y", "x"))).clip(0, 1).plot.imshow(rgb="band", ax=axes[0])
labels.boundary.plot(ax=axes[0], color="yellow", linewidth=1)
axes[0].set_title("what was drawn")
mask.plot.imshow(ax=axes[1], cmap=cover, vmin=-0.5, vmax=max(legend.values) + 0.5, add_colorbar=False)
axes[1].set_title("the map")
regions.plot(ax=axes[2], color=[np.array(legend.colours.get(v, (220, 220, 220))) / 255 for v in regions["class_id"]])
axes[2].set_title("the truth")
for axis in axes:
    axis.set(xlabel="", ylabel="", xticks=[], yticks=[], aspect="equal")
    axis.set(xlim=(float(image.x[0]), float(image.x[-1])), ylim=(float(image.y[-1]), float(image.y[0])))
plt.show()

# %% [markdown]
# The score that the bundle states rests on the few polygons that were kept for the test, so its interval is wide; and on
# places that somebody chose to draw, so it need not hold for all pixels. What a map is worth is said by samples drawn at
# random, as in notebook 03.

# %%
stated = made.scores["overall"]["overall_accuracy"]
print(
    f"stated {stated['value']:.2f} ({stated['low']:.2f} to {stated['high']:.2f}) on polygons kept from it; all pixels: {score:.2f}"
)
