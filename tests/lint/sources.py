"""The project's C++ text, as the lint scripts want it: which files there are, and code without comments and literals."""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("protocol", "pool", "querycache", "daemon")

# A comment, a raw string, a string or a character; digit separators are no characters.
NOT_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""", re.DOTALL)


def cpp_files(*folders):
    """Tracked and new C++ files below these folders of the repository (all when none is named), relative to its root."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *folders],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(Path(name) for name in set(listed.split("\0")) if name.endswith((".cpp", ".hpp")) and (ROOT / name).exists())


def code_of(path):
    """The file with comments and literals blanked out, so that lines and columns stay where they were."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return NOT_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def report(problems):
    """Prints the problems, one a line, and gives the exit status."""
    for problem in sorted(problems):
        print(problem)
    return 1 if problems else 0
