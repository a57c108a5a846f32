"""Second factors (authenticator apps, passkeys, recovery codes) and step-up authentication."""
