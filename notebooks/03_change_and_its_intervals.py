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
# # Change, and how sure one can be of it
#
# Two class maps of one place differ where the land changed. They also differ where either map is wrong, and along every
# border if the maps lie half a pixel beside each other. Here we make land of which the true change is known, spoil two maps
# of it in both ways, and see what is left of the truth: pixel against pixel, with `geoseg.change`, and with
# `geoseg.sample` and `geoseg.estimate`.
#
# Everything is made in the current folder (20 MB); half a minute on one core.

# %%
import geopandas
import matplotlib.pyplot as plt
import numpy as np
import rasterio
from matplotlib.colors import ListedColormap

import geoseg

# %% [markdown]
# ## Land whose change is known
#
# Four dates, of which each differs from the one before in about one percent of the pixels, which have a side of 10 m. And the
# same land once more, from a corner that lies 5 m further east: half a pixel.

# %%
settings = {"size": 512, "dates": 4, "change": 0.01, "seed": 1, "overwrite": True}
land = geoseg.synth("land", origin=(500_000, 5_400_000), **settings)
beside = geoseg.synth("beside", origin=(500_005, 5_400_000), **settings)
scene = geoseg.open_scene(land.scenes[0])
print(scene.geobox.shape, "pixels,", ", ".join(band.name for band in scene.bands))

# %% [markdown]
# ## Two maps that are not quite right
#
# This is done to the truth, and nothing else:
#
# - **Shift.** BEFORE are the classes of `land`, AFTER those of `beside`, and its file says that it lies where BEFORE lies. So what
#   AFTER shows is half a pixel too far west.
# - **Noise.** In each map 3 % of the pixels, drawn at random, get another of the six classes, any with the same chance.

# %%
NOISE = 0.03
COVER = geoseg.Legend.of(dict(enumerate(("water", "tree", "low vegetation", "cropland", "built", "bare"), start=1)))


def read(path):
    """Classes in a file, 1 to 6."""
    with rasterio.open(path) as file:
        return file.read(1)


def with_noise(classes, seed):
    """Some of the classes replaced by another."""
    rng = np.random.default_rng(seed)
    hit = rng.random(classes.shape) < NOISE
    return np.where(hit, (classes - 1 + rng.integers(1, 6, classes.shape)) % 6 + 1, classes).astype("uint8")


def save(path, classes, legend):
    """Write classes onto the grid of ``land``."""
    with rasterio.open(land.truths[0]) as like:
        profile = {"crs": like.crs, "transform": like.transform, "nodata": 0, "compress": "deflate"}
    with rasterio.open(path, "w", "GTiff", *classes.shape[::-1], 1, dtype="uint8", **profile) as file:
        file.write(classes.astype("uint8"), 1)
        file.update_tags(GEOSEG_LEGEND=legend.to_json())


true_before, true_after = read(land.truths[0]), read(land.truths[2])
before = with_noise(true_before, seed=11)
after = with_noise(read(beside.truths[2]), seed=12)
save("before.tif", before, COVER)
save("after.tif", after, COVER)

changed, differs = true_before != true_after, before != after
truth, naive = changed.mean(), differs.mean()
print(f"changed {truth:.2%}; pixel against pixel {naive:.2%}, {naive / truth:.1f} times as much")
assert naive > 3 * truth

# %% [markdown]
# ## What geoseg says
#
# It is told how often the maps are right. Here we know that; of a real map a test on labelled places says it (`scores.json` of a
# bundle). And for the map of changed places it is told to leave out what a shift of a pixel explains, and what is smaller
# than 500 m2.

# %%
rules = {"tolerance": 1, "min_area": 500, "overwrite": True}
made = geoseg.change("before.tif", "after.tif", "change", before_errors=1 - NOISE, after_errors=1 - NOISE, **rules)
print(made.statement)

said = made.run["errors"]["change"]
print(f"truth {truth:.2%}, geoseg {said['value']:.2%}, 95 % interval {said['low']:.2%} to {said['high']:.2%}")
assert said["low"] <= truth <= said["high"]

# %% [markdown]
# The sentence speaks of how much has changed, the raster of where. The rules that clear the raster of flicker take away small
# and narrow changes too: what it shows is less than what has changed. So its area is no estimate, and the page of the run
# keeps the two apart.

# %%
with rasterio.open("change/change.tif") as file:
    codes = file.read(1)  # before * 256 + after
kept = codes // 256 != codes % 256

PLACE = np.s_[:200, :200]
panels = {
    "BEFORE": true_before, "AFTER, as it really is": true_after, "map of AFTER": after,
    "changed in truth": changed, "pixel against pixel": differs, "geoseg, after the rules": kept,
}  # fmt: skip
cover = ListedColormap(["#2670b8", "#1c6e3c", "#a6c864", "#f0c85a", "#c83c3c", "#b4a08c"])
figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
for axis, (title, values) in zip(axes.flat, panels.items(), strict=True):
    if values.dtype == bool:
        axis.imshow(values[PLACE], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    else:
        axis.imshow(values[PLACE], cmap=cover, vmin=0.5, vmax=6.5, interpolation="nearest")
    axis.set(title=title, xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## From no change to three percent
#
# The same with each of the four dates as AFTER; the first is BEFORE itself, in which nothing has changed.

# %%
rows = []
for date, (path, beside_path) in enumerate(zip(land.truths, beside.truths, strict=True)):
    other = with_noise(read(beside_path), seed=20 + date)
    save("other.tif", other, COVER)
    told = {"before_errors": 1 - NOISE, "after_errors": 1 - NOISE, "only": "raster", "overwrite": True}
    one = geoseg.change("before.tif", "other.tif", "other", **told).run["errors"]["change"]
    rows.append(((true_before != read(path)).mean(), (before != other).mean(), one["value"], one["low"], one["high"]))
    print("truth {:.2%}, pixel against pixel {:.2%}, geoseg {:.2%} ({:.2%} to {:.2%})".format(*rows[-1]))
real, naively, value, low, high = 100 * np.array(rows).T
assert (naively > 3 * real).all() and (low <= real).all() and (real <= high).all()

figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
at = np.arange(len(rows))
axis.bar(at, naively, color="#d8d8d8", label="pixel against pixel")
axis.errorbar(at, value, [value - low, high - value], fmt="o", capsize=4, color="#2666b8", label="geoseg, 95 %")
axis.plot(at, real, "_", ms=30, mew=2, color="#c83c3c", label="truth")
axis.set_xticks(at, [f"dates 1 and {i + 1}" for i in at])
axis.set(ylabel="changed, % of the pixels")
axis.legend(frameon=False, loc="upper left", ncols=3)
axis.set_ylim(0, 1.25 * naively.max())
plt.show()

# %% [markdown]
# The interval rests on what geoseg is told and cannot check: that the maps are right in 97 of 100 pixels, and wrong
# independently of each other and of the pixels beside; and that a pixel shows the most of what it covers. An accuracy
# stated a point too high moves the estimate by about a point, and so may maps resampled by nearest. What follows needs none
# of that.
#
# ## Areas one can defend
#
# Random pixels, labelled by somebody who can see the truth: as many where geoseg kept a change, where the maps differ and it
# kept none, and where they agree, so that what the rules took away is looked at too. (`geoseg.sample` takes `change.tif` as
# well; then the strata are the transitions.)

# %%
strata = geoseg.Legend.of({1: "unchanged", 2: "differs, not kept", 3: "changed"})
save("strata.tif", np.where(kept, 3, np.where(differs, 2, 1)), strata)
drawn = geoseg.sample("strata.tif", "points.gpkg", total=1000, allocation="equal", seed=1, overwrite=True)
for stratum in drawn.strata:
    print(f"{stratum.name}: {stratum.sampled} of {stratum.n_pixels} pixels")

# %% [markdown]
# In QGIS the file has a form for that. Here the truth fills the column `reference`.

# %%
points = geopandas.read_file("points.gpkg", layer="samples")
points["reference"] = np.where(changed, 3, 1)[points["row"], points["col"]]
points.to_file("points.gpkg", layer="samples")

table = geoseg.estimate("points.gpkg")
row = next(row for row in table.classes if row.class_name == "changed")
area, true_ha = row.area_ha, changed.sum() * 0.01  # pixels of 100 m2
print(
    f"changed: map {row.map_ha:.1f} ha, estimate {area.value:.1f} ha ({area.low:.1f} to {area.high:.1f}), truth {true_ha:.1f} ha"
)
for name, one in (("user's", row.users), ("producer's", row.producers)):
    print(f"{name} accuracy of change: {one.value:.2f} ({one.low:.2f} to {one.high:.2f})")
assert area.low <= true_ha <= area.high

# %%
figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
hectares = changed.size * 0.01
bars = {"pixel against pixel": naive * hectares, "area in change.tif": kept.sum() * 0.01}
axis.barh(list(bars), list(bars.values()), color="#d8d8d8")
model = np.array([said["value"], said["low"], said["high"]]) * hectares
for name, (value, low, high) in {
    "geoseg.change": model, "geoseg.estimate": (area.value, area.low, area.high)
}.items():  # fmt: skip
    axis.errorbar(value, name, xerr=[[value - low], [high - value]], fmt="o", capsize=4, color="#2666b8")
axis.axvline(true_ha, color="#c83c3c", label="truth")
axis.invert_yaxis()
axis.set(xlabel="changed, hectares", xlim=(0, None))
axis.legend(frameon=False)
plt.show()
