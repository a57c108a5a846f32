"""HTTP: middleware, request bodies, and resources that translate requests to use cases."""
