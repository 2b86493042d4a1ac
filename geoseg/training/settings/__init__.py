"""Settings of a training job, as its YAML file has them: one module for each part."""
