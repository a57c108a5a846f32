"""Log-in by others: OpenID Connect providers, and GitHub."""
