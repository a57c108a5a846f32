"""The directory in memory."""

from __future__ import annotations

from dataclasses import replace

from falcon_auth.store import Authority
from falcon_auth.store.directory import (
    EXAMINED,
    Changed,
    EffectsOf,
    Page,
    Position,
    Search,
    UserChange,
    no_effects,
    position_of,
)
from falcon_auth.stores.memory.state import MemoryState


class MemoryDirectory:
    """A `DirectoryStore` on a sorted list. A page looks at up to *examined* users."""

    def __init__(self, state: MemoryState, *, examined: int = EXAMINED) -> None:
        self._state = state
        self._examined = examined

    def find_page(self, search: Search, *, after: Position, limit: int) -> Page:
        """Take a slice under the lock, and look at it outside."""
        with self._state.lock:
            slice_ = self._state.users.list_newest(after=after, limit=self._examined + 1)
        looked_at = slice_[: self._examined]
        wanted = [user for user in looked_at if search.matches(user)]
        page = wanted[:limit]
        if len(wanted) > limit:
            return Page(page, position_of(page[-1]))
        return Page(page, position_of(looked_at[-1]) if len(slice_) > len(looked_at) else None)

    def change(
        self,
        user_id: str,
        change: UserChange,
        *,
        by: Authority | None = None,
        now: float,
        effects: EffectsOf = no_effects,
    ) -> Changed | None:
        """Check everything, then change everything, under one lock."""
        state, roles = self._state, self._state.roles
        with state.lock:
            user = state.users.by_id.get(user_id)
            if user is None:
                return None
            roles.authorise(by, user.scopes)
            names = {*user.roles} if change.roles is None else change.roles
            roles.authorise(by, roles.scopes_of(names - {*user.roles}))
            after = replace(
                change.apply_to(user, now=now),
                roles=tuple(sorted(names)),
                scopes=roles.scopes_of(names),
            )
            conflict = state.users.conflict_of(after)
            if conflict is not None:
                raise conflict
            roles.keep_administrator([after])
            open_sessions = state.sessions.open_of(user_id) if change.ends_sessions else ()
            changed = Changed(user, after, len(open_sessions))
            written = effects(changed)
            roles.leave(user)
            state.users.replace(roles.enter(after))
            if change.remove_factors:
                state.factors.forget_all_of(user_id)
            if change.ends_sessions:
                state.sessions.end_all_of(user_id, now)
            state.changed(written)
            return changed
