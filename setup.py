"""The native extension and its switches; everything else is in pyproject.toml.

EVENTSTREAM_REQUIRE_NATIVE=1  a compiler that fails is an error; otherwise the package installs without the extension
EVENTSTREAM_TRACE=1           line tracing, for the coverage of the Cython source
CFLAGS, LDFLAGS, LDSHARED     as usual, for sanitizers and other compilers
"""

import os
import re
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

trace = os.environ.get("EVENTSTREAM_TRACE") == "1"

extension = Extension(
    "eventstream._native",
    sources=["eventstream/_native.pyx", "eventstream/_crc32/crc32.c"],
    depends=["eventstream/_shim.h", *(f"eventstream/_crc32/{name}.h" for name in ("crc32", "x86", "arm64", "tables"))],
    include_dirs=["eventstream"],
    define_macros=[("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")] * trace,
)
(extension,) = cythonize([extension], compiler_directives={"linetrace": trace})
extension.optional = os.environ.get("EVENTSTREAM_REQUIRE_NATIVE") != "1"  # here, as cythonize forgets it


class BuildExtension(build_ext):
    """Where the compiler fails, leave no extension of older sources, which would be taken for the one of these."""

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except Exception:
            built = Path(self.get_ext_filename(ext.name))
            for folder in [Path(self.build_lib), *[Path()] * self.editable_mode]:
                (folder / built).unlink(missing_ok=True)
            raise


REPOSITORY = re.findall('^Repository = "(.+)"$', Path("pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[0]


def absolute(link: re.Match[str]) -> str:
    """Return the link with the repository's address: an index shows the README without the files beside it."""
    return f"{link[1]}{REPOSITORY}/{'raw' if link[2].endswith(('.svg', '.png')) else 'blob'}/HEAD/{link[2]}"


readme = re.sub(r'(\]\(|src="|srcset=")(?!https?:|#)([^)"]+)', absolute, Path("README.md").read_text(encoding="utf-8"))

setup(
    ext_modules=[extension],
    cmdclass={"build_ext": BuildExtension},
    long_description=readme,
    long_description_content_type="text/markdown",
)
