"""The resources, one module per capability. Each translates between HTTP and its use cases."""
