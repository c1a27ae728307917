// Exercises in the page: Python (Pyodide) in WebAssembly, NumPy, and minidl from the site's own archive.
(function () {
  "use strict";
  const WEB = "https://cdn.jsdelivr.net/pyodide/v314.0.7/full/";
  const SET_UP = `
import io, contextlib, json, sys
sys.path.insert(0, "/minidl")
import minidl
from minidl.exercises import EXERCISES, check, hint

def names():
    return json.dumps([[n, f"{e.lesson}: {e.title}"] for n, e in EXERCISES.items() if not e.compiled and not e.prepare])

def stub(name):
    text = EXERCISES[name].stub()
    return text[: text.index('\\n\\nif __name__ == "__main__"')]  # the button checks

def checked(name, source):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            space = {"__name__": "answer"}
            exec(compile(source, "answer.py", "exec"), space)
            if name not in space:
                raise NameError(f"the text defines no function {name}")
            check(name, space[name])
        except BaseException as error:
            print(f"{type(error).__name__}: {error}")
    return out.getvalue()

def hinted(name, level):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        hint(name, level)
    return out.getvalue()
`;
  const place = document.querySelector(".try");
  if (!place) return;
  const here = place.dataset.pyodide === "here";
  const base = new URL("_static/", document.baseURI).href;
  const folder = here ? `${base}pyodide/` : WEB;
  let python = null;

  function add(tag, attributes, text, parent = place) {
    const node = document.createElement(tag);
    Object.assign(node, attributes);
    if (text) node.textContent = text;
    parent.appendChild(node);
    return node;
  }

  place.hidden = false;
  const source = here ? "from this site" : "from cdn.jsdelivr.net, about 15 MB: the only thing on this site that comes from another host";
  add("p", {}, `Python and NumPy are loaded ${source}, when you press the button.`);
  const row = add("div", { className: "try-row" });
  const start = add("button", { type: "button" }, "Start Python", row);
  const status = add("p", { role: "status" });
  const desk = add("div", { hidden: true });
  const choose = add("div", { className: "try-row" }, "", desk);
  const label = add("label", {}, "Exercise ", choose);
  const select = add("select", {}, "", label);
  const code = add("textarea", { spellcheck: false, ariaLabel: "Your function" }, "", desk);
  add("p", {}, "Tab leaves the text; Control and Enter check it.", desk);
  const buttons = add("div", { className: "try-row" }, "", desk);
  const run = add("button", { type: "button" }, "Check", buttons);
  const help = [1, 2, 3].map((level) => add("button", { type: "button" }, `Hint ${level}`, buttons));
  const answer = add("pre", { ariaLive: "polite", tabIndex: 0, ariaLabel: "What the check says" }, "", desk);

  function script(address) {
    return new Promise((done, failed) => {
      const node = document.createElement("script");
      node.src = address;
      node.onload = done;
      node.onerror = () => failed(new Error(`${address} could not be loaded`));
      document.head.appendChild(node);
    });
  }

  async function load() {
    if (location.protocol === "file:") throw new Error("this page was opened from a disk; it needs a web server (see the note below)");
    status.textContent = "Python is being loaded ...";
    await script(`${folder}pyodide.js`);
    python = await loadPyodide({ indexURL: folder });
    status.textContent = "NumPy is being loaded ...";
    const failures = [];
    await python.loadPackage("numpy", { messageCallback: () => {}, errorCallback: (text) => failures.push(text) });
    if (!python.runPython("import importlib.util; importlib.util.find_spec('numpy') is not None"))
      throw new Error(`NumPy's build for the browser is missing in ${folder}. ${failures.join(" ")}`);
    status.textContent = "minidl is being loaded ...";
    const archive = await fetch(`${base}minidl.zip`);
    if (!archive.ok) throw new Error(`${base}minidl.zip could not be loaded`);
    python.unpackArchive(await archive.arrayBuffer(), "zip", { extractDir: "/minidl" });
    python.runPython(SET_UP);
    for (const [name, title] of JSON.parse(python.globals.get("names")())) add("option", { value: name }, `${title} (${name})`, select);
  }

  function show() {
    code.value = python.globals.get("stub")(select.value);
    answer.textContent = "";
  }

  start.addEventListener("click", async () => {
    start.disabled = true;
    try {
      await load();
      show();
      desk.hidden = false;
      row.hidden = true;
      status.textContent = "Python is ready.";
      code.focus();
    } catch (error) {
      status.textContent = `Python could not be started: ${error.message}`;
      start.disabled = false;
    }
  });
  select.addEventListener("change", show);
  run.addEventListener("click", () => (answer.textContent = python.globals.get("checked")(select.value, code.value)));
  help.forEach((button, k) =>
    button.addEventListener("click", () => (answer.textContent = python.globals.get("hinted")(select.value, k + 1))),
  );
  code.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey) run.click();
  });
})();
