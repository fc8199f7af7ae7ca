"""The rules of the house that a reader of the source can count on, read from the source itself."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "maedfer"

LONGEST_FILE = 260
LONGEST_FUNCTION = 50
LONGEST_TRAINING_LOOP = 80
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
HEAVY = ("torch", "av", "cv2", "scipy", "matplotlib", "accelerate")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the package: its path below it, its text and its syntax tree."""

    name: str
    text: str
    tree: ast.Module


def modules(below: str = "") -> list[Module]:
    """Every module, or those whose path starts with ``below`` (``"models/"``)."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name.startswith(below):
            text = path.read_text(encoding="utf-8")
            found.append(Module(name, text, ast.parse(text)))
    return found


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module's top level, through ``if`` and ``try``."""
    for node in body:
        if isinstance(node, ast.If):
            yield from statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from statements([*node.body, *node.orelse, *node.finalbody])
            for handler in node.handlers:
                yield from statements(handler.body)
        else:
            yield node


def defined_names(tree: ast.Module) -> set[str]:
    """Names that a module makes itself; type variables are grammar, not members."""
    names: set[str] = set()
    for node in statements(tree.body):
        if isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not is_type_variable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
    return names


def is_type_variable(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).endswith(("TypeVar", "ParamSpec"))


def imported_names(tree: ast.Module) -> set[str]:
    return {
        (alias.asname or alias.name).split(".")[0]
        for node in statements(tree.body)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def imported_modules(tree: ast.Module) -> set[str]:
    """Whole names of modules imported anywhere in a file, in functions too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def public_names(tree: ast.Module) -> list[str] | None:
    """The strings of ``__all__``, or ``None`` without one."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            value = ast.literal_eval(node.value)
            return [str(name) for name in value]
    return None


def all_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as ruff (RUF022) and isort sort them."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1, name) if name[:1].isupper() else (2, name)


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Dotted name and line of each call."""
    return (
        (ast.unparse(node.func), node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    )


def undocumented(body: list[ast.stmt], owner: str = "") -> Iterator[str]:
    """Public functions, classes and methods without a docstring."""
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        marks = {ast.unparse(mark).split(".")[-1] for mark in node.decorator_list}
        if ast.get_docstring(node) is None and not marks & {"override", "overload", "setter"}:
            yield owner + node.name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{owner}{node.name}.")


def test_there_is_a_package_to_look_at() -> None:
    assert len(modules()) > 5


def test_every_module_has_a_sorted_all() -> None:
    wrong = []
    for module in modules():
        names = public_names(module.tree)
        if names is None:
            wrong.append(f"{module.name}: has no __all__")
        elif names != sorted(names, key=all_order) or len(set(names)) != len(names):
            wrong.append(f"{module.name}: expected {sorted(set(names), key=all_order)}")
    assert not wrong


def test_every_all_is_complete() -> None:
    wrong = []
    for module in modules():
        listed = set(public_names(module.tree) or [])
        defined = defined_names(module.tree)
        if missing := {name for name in defined - listed if not name.startswith("_")}:
            wrong.append(f"{module.name}: __all__ lacks {sorted(missing)}; list them or start them with _")
        lazy = "__getattr__" in defined
        if not lazy and (unknown := listed - defined - imported_names(module.tree)):
            wrong.append(f"{module.name}: __all__ lists {sorted(unknown)}, which it does not have")
    assert not wrong


def test_the_package_gives_every_name_it_lists() -> None:
    import maedfer

    for name in maedfer.__all__:
        assert getattr(maedfer, name) is not None
    assert set(maedfer.__all__) <= set(dir(maedfer))


def test_every_module_says_what_it_is_for() -> None:
    assert not [module.name for module in modules() if not ast.get_docstring(module.tree)]


def test_every_public_name_has_a_docstring() -> None:
    wrong = {module.name: list(undocumented(module.tree.body)) for module in modules()}
    assert not {name: missing for name, missing in wrong.items() if missing}


def test_no_file_is_longer_than_a_sitting() -> None:
    lengths = {module.name: len(module.text.splitlines()) for module in modules()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}


def test_no_function_is_longer_than_a_screen() -> None:
    wrong = []
    for module in modules():
        longest = LONGEST_TRAINING_LOOP if module.name == "train/loop.py" else LONGEST_FUNCTION
        for function in functions(module.tree):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > longest:
                wrong.append(f"{module.name}:{function.lineno} {function.name}: {length} lines, at most {longest}")
    assert not wrong


def test_no_module_is_named_after_nothing() -> None:
    assert not [module.name for module in modules() if BANNED_NAMES & set(Path(module.name).with_suffix("").parts)]


def test_only_the_command_line_prints_and_exits() -> None:
    ends = {"print", "sys.exit", "exit", "quit", "os._exit"}
    wrong = [
        f"{module.name}:{line} {name}()"
        for module in modules()
        # The worker of the service is a process of its own; its end is that process's.
        if not module.name.startswith(("cli.py", "cli/", "__main__.py", "serve/worker.py"))
        for name, line in calls(module.tree)
        if name in ends
    ]
    assert not wrong


def test_models_touch_no_file_and_no_environment() -> None:
    banned_modules = {"os", "pathlib", "io", "shutil", "tempfile", "safetensors", "json", "pickle", "glob"}
    banned_calls = {"open", "torch.load", "torch.save", "torch.hub.load", "np.load", "np.save", "numpy.load"}
    banned_methods = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "tofile"}
    wrong = []
    for module in modules("models/"):
        roots = {name.split(".")[0] for name in imported_modules(module.tree)}
        wrong += [f"{module.name}: imports {name}" for name in sorted(roots & banned_modules)]
        wrong += [
            f"{module.name}:{line} {name}()"
            for name, line in calls(module.tree)
            if name in banned_calls or ("." in name and name.split(".")[-1] in banned_methods)
        ]
    assert not wrong


def test_only_the_room_of_weights_opens_weights() -> None:
    allowed = ("weights.py", "weights/", "train/checkpoint.py")  # the last: a run's own resumable state
    wrong = []
    for module in modules():
        if not module.name.startswith(allowed):
            opens = {name for name in imported_modules(module.tree) if name.split(".")[0] == "safetensors"}
            opens |= {name for name, _ in calls(module.tree) if name in {"torch.load", "torch.save"}}
            wrong += [f"{module.name}: {name}" for name in sorted(opens)]
    assert not wrong


def test_no_pickle_that_can_run_code_is_loaded() -> None:
    wrong = []
    for module in modules():
        if {"pickle", "dill", "cloudpickle", "joblib"} & imported_modules(module.tree):
            wrong.append(f"{module.name}: imports a pickle module")
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            name = ast.unparse(node.func)
            if name == "torch.load" and settings.get("weights_only") != "True":
                wrong.append(f"{module.name}:{node.lineno} torch.load without weights_only=True")
            if settings.get("allow_pickle", "False") != "False":
                wrong.append(f"{module.name}:{node.lineno} {name} with allow_pickle")
    assert not wrong


def test_no_function_passes_keywords_through() -> None:
    wrong = [
        f"{module.name}:{function.lineno} {function.name}"
        for module in modules()
        for function in functions(module.tree)
        if function.args.kwarg is not None
    ]
    assert not wrong


def test_jaxtyping_annotations_are_not_made_strings() -> None:
    wrong = [
        module.name
        for module in modules()
        if "jaxtyping" in imported_modules(module.tree) and "__future__" in imported_modules(module.tree)
    ]
    assert not wrong, "with `from __future__ import annotations` the shapes are not checked"


def output_of(code: str) -> list[str]:
    """Words that a fresh interpreter prints; the tests' own has long imported everything."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_maedfer_is_light() -> None:
    code = f"import maedfer, sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    assert output_of(code) == []


def test_the_video_room_runs_without_torch() -> None:
    code = (
        "import importlib, pathlib, sys\n"
        "import maedfer.video as room\n"
        "for path in pathlib.Path(room.__file__).parent.glob('*.py'):\n"
        "    importlib.import_module(f'maedfer.video.{path.stem}')\n"
        "print('torch' in sys.modules)"
    )
    assert output_of(code) == ["False"]
