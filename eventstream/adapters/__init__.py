"""Drop-in replacements for the event-stream codecs of other libraries: a module for each, named as the library.
`eventstream.adapters.boto3` adds to a library what it lacks.

Each has the names of what it replaces, and ``install()`` and ``uninstall()``, which put it into the library and take it
out again. An adapter imports its library; nothing else of this package imports an adapter.
"""
