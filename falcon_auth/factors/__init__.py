"""Second factors: authenticator apps, passkeys and recovery codes, and how fresh a proof is."""
