"""Schedule: pipelines that run when they are due, their history, and the service that runs them."""
