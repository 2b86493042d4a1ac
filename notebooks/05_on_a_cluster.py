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
# # On a cluster
#
# The same call runs in this process, on worker processes of this machine, on a Dask scheduler elsewhere, on SLURM, or on
# a cluster that you hand it. Blocks are small descriptions; workers read and write the pixels themselves, so they have to
# see the same files. The outputs are the same bytes, whoever did the work, and after a stop.

# %%
import hashlib
from pathlib import Path

from dask.distributed import LocalCluster

import geoseg

SAMPLE = Path(geoseg.__file__).parents[1] / "samples/north_carolina"
SCENE, BUNDLE = SAMPLE / "scene.tif", SAMPLE / "bundle"
SAME = {"block_size": 200, "backend": "torch", "precision": "fp32", "only": "mask", "overwrite": True}


def digest(folder):
    """SHA-256 of the map in a folder, short."""
    return hashlib.sha256(Path(folder, "mask.tif").read_bytes()).hexdigest()[:16]


# %% [markdown]
# ## In this process
#
# The blocks of this run, as they are committed:

# %%
alone = geoseg.segment(
    SCENE, BUNDLE, "alone", on_progress=lambda p: print(f"{p.receipt.block} {p.done}/{p.total}"), **SAME
)
print("map:", digest("alone"))

# %% [markdown]
# ## Worker processes of this machine
#
# `workers=2` starts two, on the loopback address, and ends them. In a script (not in a notebook) such a call stands below
# `if __name__ == "__main__":`, because each worker imports the script; geoseg says so before it starts any.

# %%
geoseg.segment(SCENE, BUNDLE, "two", workers=2, **SAME)
assert digest("two") == digest("alone")
print("map:", digest("two"))

# %% [markdown]
# ## A cluster of yours
#
# A hook gives geoseg a Dask client, or anything with `get_client()`: a Gateway, Kubernetes, here a local one. geoseg does
# not close it. For a scheduler at an address: `scheduler="tls://host:8786"` with `tls_ca`, `tls_cert`, `tls_key`; for
# SLURM: `slurm={"cores": 8, ...}` with `workers`, and `scheduler` left out.

# %%
with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None) as cluster:
    mine = geoseg.ClusterSettings(hook=lambda: cluster)
    geoseg.segment(SCENE, BUNDLE, "hooked", cluster=mine, **SAME)
    print("still", cluster.status)
assert digest("hooked") == digest("alone")
print("map:", digest("hooked"))

# %% [markdown]
# ## Stopped, and gone on with
#
# Committed blocks are kept. Here the run is stopped after its second block, as Ctrl-C would; the same call goes on, and
# the map is the same.


# %%
def stop_at_two(progress):
    """Stop the run after its second block."""
    if progress.done == 2:
        raise KeyboardInterrupt


try:
    geoseg.segment(SCENE, BUNDLE, "stopped", on_progress=stop_at_two, **SAME)
except KeyboardInterrupt:
    print("stopped; a map is", "there" if Path("stopped/mask.tif").exists() else "not there")
again = geoseg.segment(SCENE, BUNDLE, "stopped", **SAME)
blocks = again.run["blocks"]
print(f"{blocks['resumed']} blocks were there, {blocks['run']} were run")
assert blocks["resumed"] >= 2 and digest("stopped") == digest("alone")
again
