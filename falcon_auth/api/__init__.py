"""HTTP: resources that translate between requests and the use cases, and what all of them share."""
