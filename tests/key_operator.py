"""Someone who rotates keys in a folder, for tests."""

import json

from falcon_auth.keys.folder import MANIFEST, KeyFolder
from falcon_auth.keys.pem import make_pem, parse_pem

WEEK = 7 * 86400
CACHE = 660  # KEY_CACHE_SECONDS


class Operator:
    """Someone who rotates keys by the commands' means."""

    def __init__(self, path, clock):
        self.path, self.clock = path, clock
        self.folder = KeyFolder(path)

    def add(self, algorithm="ES256"):
        pem = make_pem(algorithm)
        kid = parse_pem(pem, algorithm).kid
        with self.folder.changing() as plan:
            changed = plan.add(
                kid, algorithm, now=self.clock(), token_seconds=WEEK, cache_seconds=CACHE
            )
            self.folder.add_key(kid, pem)
            self.folder.write_plan(changed)
        return kid

    def promote(self, **options):
        with self.folder.changing() as plan:
            changed = plan.promote(now=self.clock(), token_seconds=WEEK, **options)
            self.folder.write_plan(changed)

    def remove(self, kid, **options):
        with self.folder.changing() as plan:
            self.folder.write_plan(plan.remove(kid, now=self.clock(), **options))

    def edit(self, **changes):
        """Write into the manifest by hand."""
        path = self.path / MANIFEST
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
