"""The account pages: where people register, log in and look after their account in a browser.

They are static files that use the public API as any other client does; this package knows no
use case, store or token. `site` has the pages and their routes, `look` an operator's name, logo and
colour.
"""
