"""The commands, one module each; `falcon_auth.__main__` lists them."""
