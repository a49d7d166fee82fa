"""Builds the library with cargo and puts it into the wheel; puts the Rust sources into the source distribution."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sysconfig
import tempfile
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = pathlib.Path(__file__).parent
#: What the library is built from. Cargo's configuration says how SQLite is.
SOURCES = (".cargo/config.toml", "Cargo.toml", "Cargo.lock", "README.md", "build.rs", "src")
#: Parts of the manifest that need more than that: what tests, measures and tries the library.
ELSEWHERE = ("workspace", "bench", "dev-dependencies")
#: Crates for systems that the package is not for. A few words stand for each in a source distribution.
FOREIGN = ("windows", "winapi")
LICENCES = ("LICENSE-MIT", "LICENSE-APACHE")


def crate() -> pathlib.Path:
    """The Rust sources: in a source distribution its folder ``rust``, else the checkout around this package."""
    bundled = HERE / "rust"
    return bundled if bundled.exists() else HERE.parents[1]


def version() -> str:
    """The version of the crate is that of the package."""
    manifest = (crate() / "Cargo.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', manifest, re.MULTILINE)
    if found is None:
        raise RuntimeError("Cargo.toml: no version")
    return found.group(1)


def build() -> str:
    """Builds the shared library and gives its path, which only cargo knows: its target folder is configurable."""
    command = ["cargo", "build", "--package", "libotp", "--lib", "--features", "redis,postgres,smtp", "--release"]
    command += ["--locked", "--message-format=json-render-diagnostics"]
    try:
        output = subprocess.run(command, cwd=crate(), check=True, stdout=subprocess.PIPE).stdout
    except FileNotFoundError:
        raise SystemExit("libotp: cargo is missing: install Rust, or set LIBOTP_PREBUILT to the path of the library") from None
    except subprocess.CalledProcessError as failed:
        # Cargo itself has said what is wrong.
        raise SystemExit(f"libotp: cargo build: exit status {failed.returncode}") from None
    endings = (".so", ".dylib", ".dll")
    for line in output.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "otp":
            for name in message["filenames"]:
                if name.endswith(endings):
                    return str(name)
    raise RuntimeError("cargo built no shared library")


def write_manifest(folder: pathlib.Path) -> None:
    """Takes from the manifest what a source distribution does without."""
    kept, keeps = [], True
    for line in (folder / "Cargo.toml").read_text(encoding="utf-8").splitlines():
        table = re.match(r"\[+([^\]]+)\]+", line)
        if table is not None:
            keeps = table.group(1) not in ELSEWHERE
        kept += [line] if keeps else []
    (folder / "Cargo.toml").write_text("\n".join(kept) + "\n", encoding="utf-8")


def vendor(folder: pathlib.Path) -> None:
    """Puts all crates beside the sources, so that the library is built without a network."""
    command = ["cargo", "vendor", "--versioned-dirs", "vendor"]
    told = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    with (folder / ".cargo" / "config.toml").open("a", encoding="utf-8") as config:
        config.write("\n" + told)
    for crate in (folder / "vendor").iterdir():
        if crate.name.startswith(FOREIGN):
            checksum = json.loads((crate / ".cargo-checksum.json").read_text(encoding="utf-8"))
            manifest = (crate / "Cargo.toml").read_text(encoding="utf-8")
            shutil.rmtree(crate)
            (crate / "src").mkdir(parents=True)
            (crate / "src" / "lib.rs").write_text("", encoding="utf-8")
            (crate / "Cargo.toml").write_text(manifest, encoding="utf-8")
            checksum["files"] = {}
            (crate / ".cargo-checksum.json").write_text(json.dumps(checksum), encoding="utf-8")


def bundle() -> pathlib.Path:
    """A folder with the sources and all crates that they need."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="libotp-sdist-"))
    for name in SOURCES:
        source, copy = crate() / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    if not (HERE / "rust").exists():
        write_manifest(folder)
        vendor(folder)
    return folder


class NativeLibrary(BuildHookInterface[Any]):
    """The hook that hatchling calls."""

    bundle: pathlib.Path

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        """Adds files to the distribution that is being built."""
        if self.target_name == "sdist":
            self.bundle = bundle()
            build_data["force_include"][str(self.bundle)] = "rust"
            for name in LICENCES:
                build_data["force_include"][str(crate() / name)] = f"rust/{name}"
            return
        if version == "editable":
            # A copy beside the sources would go stale without a word: LIBOTP_LIBRARY names the one to use.
            return
        library = os.environ.get("LIBOTP_PREBUILT") or build()
        build_data["force_include"][library] = f"libotp/{pathlib.Path(library).name}"
        licences = [crate() / name for name in LICENCES]
        # Those of what is in the library, where a release brings them.
        licences += [pathlib.Path(os.environ["LIBOTP_LICENCES"])] if "LIBOTP_LICENCES" in os.environ else []
        for licence in licences:
            information = f"libotp-{self.metadata.version}.dist-info/licenses"
            build_data["force_include"][str(licence)] = f"{information}/{licence.name}"
        build_data["pure_python"] = False
        platform = os.environ.get("LIBOTP_PLATFORM_TAG") or sysconfig.get_platform()
        build_data["tag"] = "py3-none-" + re.sub(r"[-.]", "_", platform)

    def finalize(self, version: str, build_data: Dict[str, Any], artifact_path: str) -> None:
        """Removes what was made for the distribution."""
        if self.target_name == "sdist":
            shutil.rmtree(self.bundle)
