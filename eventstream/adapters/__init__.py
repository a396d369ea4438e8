"""Drop-in replacements for the event-stream codecs of other libraries: one module for each, with the library's name.
`eventstream.adapters.boto3` adds what boto3 lacks.

Each has the names of what it replaces, and ``install()`` and ``uninstall()``, which put it into the library and take it
out again. An adapter imports its library; nothing else of this package imports an adapter.
"""
