"""The API reference: one page for each public module, from its docstrings."""

import importlib
import inspect
import re
import textwrap

MODULES = (
    ("minidl", "the top level: tensors, gradients, settings"),
    ("minidl.functional", "differentiable functions of tensors"),
    ("minidl.nn", "layers"),
    ("minidl.nn.init", "initial weights"),
    ("minidl.optim", "optimisers"),
    ("minidl.models", "networks"),
    ("minidl.crf", "the dense CRF"),
    ("minidl.data", "datasets, readers, the loader"),
    ("minidl.data.transforms", "joint transforms of image and mask"),
    ("minidl.metrics", "scores"),
    ("minidl.analysis", "receptive field, patterns, shifts"),
    ("minidl.backend", "which kernels serve an array"),
    ("minidl.plot", "figures"),
    ("minidl.exercises", "exercises and their check"),
)
SPECIAL = re.compile(r"([\\*_\[\]<>$|{}~#])")


def pages():
    """{file name without suffix: MyST text} of all modules, the overview under "index"."""
    described = []
    found = {name.replace(".", "_"): _page(name, what, described) for name, what in MODULES}
    rows = "\n".join(f"| [`{name}`]({name.replace('.', '_')}.md) | {what} |" for name, what in MODULES)
    names = "\n".join(found)
    found["index"] = (
        "# API reference\n\nNames, argument order and defaults are PyTorch's or torchvision's where they have them.\n\n"
        f"| module | what it holds |\n|---|---|\n{rows}\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )
    return found


def _page(name, what, described):
    """The page of one module; `described` is what earlier pages hold, and grows."""
    module = importlib.import_module(name)
    parts = [f"# {name}\n\n{_described(inspect.getdoc(module)) or what}", f"```{{py:module}} {name}\n```"]
    for member, value in _members(module, described):
        parts.append(_entry("class" if inspect.isclass(value) else "function", name, member, value))
    return "\n\n".join(parts) + "\n"


def _members(module, described):
    """Functions and classes that the package offers or the file defines, by name, unless an earlier page has them."""
    package = hasattr(module, "__path__")
    for name in sorted(getattr(module, "__all__", None) or vars(module), key=str.lower):
        value = getattr(module, name)
        home = str(getattr(value, "__module__", ""))
        ours = home.startswith("minidl") if package else home == module.__name__
        public = not name.startswith("_") and (inspect.isclass(value) or inspect.isroutine(value))
        if ours and public and not any(value is other for other in described):
            described.append(value)
            yield name, value


def _entry(kind, module, name, value):
    """A directive with the signature and the docstring, and those of a class's own methods inside."""
    body = _described(inspect.getdoc(value))
    if kind == "class":
        methods = [
            (n, f)
            for n, f in vars(value).items()
            if not n.startswith("_") and inspect.isfunction(f) and f.__doc__ and n != "forward"
        ]
        body = "\n\n".join([body, *(_entry("method", module, n, f) for n, f in methods)])
    fence = "````" if kind == "class" else "```"
    options = f":module: {module}\n" if kind != "method" else ""
    return f":{fence.replace('`', ':')}{{py:{kind}}} {name}{_signature(value)}\n{options}\n{body}\n:{fence.replace('`', ':')}"


def _signature(value):
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return "(...)"
    text = re.sub(r"minidl\.[\w.]*\.(\w+)|(?:numpy|collections\.abc|typing|pathlib)\.", lambda m: m[1] or "", text)
    return (
        re.sub(r"<[^<>]*?(\w+)(?: at 0x\w+)?>", r"\1", text)
        .replace("'", "")
        .replace("(self, ", "(")
        .replace("(self)", "()")
    )


def _described(doc):
    """A docstring in MyST: paragraphs as text, indented ones and tables as they stand."""
    parts = []
    for part in re.split(r"\n\s*\n", textwrap.dedent(doc or "").strip()):
        lines = part.split("\n")
        if any(re.search(r"^\s|\S {2,}\S", line) for line in lines):
            parts.append("```text\n" + textwrap.dedent(part) + "\n```")
        else:
            parts.append(_escaped(part))
    return "\n\n".join(parts)


def _escaped(text):
    """Special characters outside of code are taken literally."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else SPECIAL.sub(r"\\\1", p) for p in pieces)
