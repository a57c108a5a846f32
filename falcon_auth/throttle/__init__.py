"""Rate limits by client and by account, and the policy for log-in attempts."""
