"""Accounts: one module per use case, with one class each.

A use case is built once (`falcon_auth.service`) and is safe to call from any thread. It always
checks its arguments against `rules`, and raises `InvalidBodyError` with every violation. Its method
`violations` checks an incomplete set of arguments in the same way, so that a caller who has already
found other faults in a body can report all of them at once.
"""
