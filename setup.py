"""Packaging of minidl: metadata, extras, the `minidl` command, and `kernels/` installed as `minidl.kernels`."""

from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
kernels = ["kernels"] + [f"kernels.{name}" for name in find_packages("kernels")]

extras = {
    "lessons": ["jupyter", "ipywidgets", "scikit-image", "scikit-learn"],
    "cuda12": ["cupy-cuda12x[ctk]>=14"],
    "cuda13": ["cupy-cuda13x[ctk]>=14"],
    "mpi": ["mpi4py>=4", "openmpi>=5; sys_platform != 'win32'", "impi-rt; sys_platform == 'win32'"],
    "large": ["tifffile", "imagecodecs", "zarr>=3"],
    "onnx": ["onnx>=1.16"],
    "bench": ["threadpoolctl"],
    "site": ["sphinx>=8", "myst-nb>=1.2", "sphinx-book-theme>=1.1.4", "sphinx-mathjax-offline"],
}
extras["test"] = [
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "hypothesis",
    "mpmath",
    "nbmake",
    "ruff",
    "mypy",
    "import-linter",
    "onnxruntime",
    *extras["onnx"],
    *extras["mpi"],
    *extras["large"],
    *extras["lessons"],
]

setup(
    name="minidl",
    version="0.1.0",
    description="Semantic segmentation from scratch: a small, readable, fast deep-learning library on NumPy and CuPy",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["minidl", "minidl.*"]) + [f"minidl.{name}" for name in kernels],
    package_dir={"minidl": "minidl", "minidl.kernels": "kernels"},
    package_data={
        "minidl": ["py.typed", "data/datasets/*.gz", "bench/*.csv"],
        "minidl.kernels": ["**/*.cu", "**/*.cuh", "**/*.h", "**/*.cpp"],
    },
    install_requires=[
        "numpy>=2.0",
        "numba>=0.60",
        "scipy>=1.13",
        "pillow>=10",
        "matplotlib>=3.8",
        "tqdm>=4.66",
        "safetensors>=0.4",
        "pooch>=1.8",
    ],
    extras_require=extras,
    entry_points={"console_scripts": ["minidl = minidl.cli:main"]},
)
