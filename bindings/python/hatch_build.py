"""Builds the library with cargo and puts it into the wheel; puts the Rust sources into the source distribution."""

import json
import os
import pathlib
import re
import subprocess
import sysconfig
from typing import Any, Dict

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = pathlib.Path(__file__).parent
#: What cargo needs of the crate; the manifest names the benchmark and four more crates, so they must be there too.
#: Cargo's configuration says how SQLite is built.
SOURCES = (
    ".cargo/config.toml", "Cargo.toml", "Cargo.lock", "README.md", "build.rs", "src", "benches/otp",
    "service", "simulator", "testing", "xtask",
)
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
    command = ["cargo", "build", "--package", "libotp", "--lib", "--features", "redis,postgres", "--release", "--locked"]
    command += ["--message-format=json-render-diagnostics"]
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


class NativeLibrary(BuildHookInterface[Any]):
    """The hook that hatchling calls."""

    def initialize(self, version: str, build_data: Dict[str, Any]) -> None:
        """Adds files to the distribution that is being built."""
        if self.target_name == "sdist":
            for name in SOURCES + LICENCES:
                build_data["force_include"][str(crate() / name)] = f"rust/{name}"
            return
        if version == "editable":
            # A copy beside the sources would go stale without a word: LIBOTP_LIBRARY names the one to use.
            return
        library = os.environ.get("LIBOTP_PREBUILT") or build()
        build_data["force_include"][library] = f"libotp/{pathlib.Path(library).name}"
        for licence in LICENCES:
            information = f"libotp-{self.metadata.version}.dist-info/licenses"
            build_data["force_include"][str(crate() / licence)] = f"{information}/{licence}"
        build_data["pure_python"] = False
        platform = os.environ.get("LIBOTP_PLATFORM_TAG") or sysconfig.get_platform()
        build_data["tag"] = "py3-none-" + re.sub(r"[-.]", "_", platform)
