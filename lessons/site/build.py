"""Build the lessons as a site that needs no network:

    python -m pip install -e ".[site]"
    python lessons/site/build.py OUT                  # OUT/index.html opens in a browser
    python lessons/site/build.py OUT --pyodide DIR    # "Try it" loads Pyodide from a copy of the folder DIR

The notebooks' committed outputs are shown; nothing is executed. README.md beside this file says how it is made.
"""

import argparse
import importlib.metadata
import importlib.util
import io
import json
import os
import shutil
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import sources

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MARK = ".minidl-site"  # lies in every site: only such a folder is replaced
ARCHIVED = {".py", ".cu", ".cuh", ".h", ".cpp", ".gz", ".typed"}
PYODIDE = ("pyodide.js", "pyodide-lock.json", "python_stdlib.zip")


def archive():
    """The bytes of a zip of minidl and its kernels, as they lie in an installed package."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for folder, inside in ((ROOT / "minidl", "minidl"), (ROOT / "kernels", "minidl/kernels")):
            for path in sorted(p for p in folder.rglob("*") if p.suffix in ARCHIVED):
                file.write(path, f"{inside}/{path.relative_to(folder).as_posix()}")
        for path in sorted((ROOT / "lessons/exercises").glob("*.py")):
            file.write(path, f"stubs/{path.name}")
    return out.getvalue()


def mathjax():
    """The one file of MathJax, fonts included."""
    files = importlib.metadata.files("sphinx-mathjax-offline") or []
    return next(Path(f.locate()) for f in files if f.name == "tex-svg-full.js")


def check(out, pyodide):
    """Whatever would stop the build later is said now."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MARK).exists())):
        raise FileExistsError(f"{out} is no site of minidl: name a new folder, or an older site to replace")
    if pyodide:
        missing = [name for name in PYODIDE if not (pyodide / name).is_file()]
        if missing:
            raise FileNotFoundError(f"{pyodide} is no folder of Pyodide: it lacks {', '.join(missing)}")
        packages = json.loads((pyodide / "pyodide-lock.json").read_text(encoding="utf-8"))["packages"]
        wheel = packages["numpy"]["file_name"]
        if not (pyodide / wheel).is_file():
            raise FileNotFoundError(f"{pyodide} lacks {wheel}, NumPy's build for the browser")
    missing = [name for name in ("sphinx", "myst_nb", "sphinx_book_theme") if not importlib.util.find_spec(name)]
    if missing:
        raise ImportError(f'{", ".join(missing)} not installed: python -m pip install -e ".[site]"')


def build(out, pyodide=None):
    """Write the site to the folder `out`, whole or not at all; returns its size in bytes."""
    out, pyodide = Path(out).absolute(), Path(pyodide) if pyodide else None
    check(out, pyodide)
    from sphinx.cmd.build import build_main

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".minidl-", dir=out.parent) as scratch:
        source, html = Path(scratch) / "source", Path(scratch) / "html"
        sources.write(source, bool(pyodide))
        static = source / "_static"
        shutil.copytree(HERE / "static", static)
        shutil.copy(mathjax(), static / "mathjax.js")
        (static / "minidl.zip").write_bytes(archive())
        if pyodide:
            shutil.copytree(pyodide, static / "pyodide", ignore=shutil.ignore_patterns("*.map", "*.d.ts", "console*"))
        command = ["-q", "-W", "--keep-going", "-d", str(Path(scratch) / "trees"), str(source), str(html)]
        if build_main(command):
            raise RuntimeError("Sphinx could not build the site; its messages stand above")
        shutil.rmtree(html / "_sources", ignore_errors=True)
        (html / MARK).write_text("built by lessons/site/build.py\n")
        (html / ".nojekyll").touch()
        if out.exists():
            os.rename(out, Path(scratch) / "old")
        os.rename(html, out)
    return sum(p.stat().st_size for p in out.rglob("*") if p.is_file())


def main(argv=None):
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT", help="folder of the site; an older site there is replaced")
    parser.add_argument("--pyodide", metavar="DIR", help="folder with pyodide.js and the wheel of NumPy, to copy")
    args = parser.parse_args(argv)
    start = time.perf_counter()
    try:
        size = build(args.out, args.pyodide)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}/index.html: {size / 2**20:.1f} MiB in {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
