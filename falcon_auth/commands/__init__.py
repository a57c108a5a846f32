"""Commands that are more than a line; `falcon_auth.__main__` puts them together."""
