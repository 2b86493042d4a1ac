"""Pipeline: steps over many scenes, from one YAML file, each done once."""
