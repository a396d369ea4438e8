from Cython.Build import cythonize
from setuptools import Extension, setup

setup(packages=[], ext_modules=cythonize([Extension("door", ["door.pyx"])]))
