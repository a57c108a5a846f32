"""Packaging; the metadata is in pyproject.toml.

Only the list of packages is made here: `schemas/` stands at the top of the project, and is
installed inside the package, as `falcon_auth/schemas/`.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["falcon_auth", "falcon_auth.*"]), "falcon_auth.schemas"],
    package_dir={"falcon_auth.schemas": "schemas"},
)
