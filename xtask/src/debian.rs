//! Packages for Debian and its like: `libotp0` with the library, `libotp-dev` with what compiling needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::archive::{Scratch, dist, time};
use crate::library::{self, Recipe};
use crate::{Fault, Plan, install, read, root, run, write};

/// Who answers for them, unless `DEBFULLNAME` and `DEBEMAIL` say so.
const MAINTAINER: (&str, &str) = ("libotp developers", "libotp@example.org");

const ABOUT: &str = " A library that creates short codes, has them delivered, and verifies each
 exactly once, over a repository in a plain file or on a server.
";

/// What is the same in both packages.
struct Release {
    version: String,
    abi: String,
    /// Debian's name for the machine, and the folder of its libraries.
    machine: (&'static str, &'static str),
    /// The oldest glibc that will do.
    glibc: (u32, u32),
    licences: String,
}

/// Makes both in `dist`.
pub fn packages(recipe: &Recipe, licences: &str) -> Result<(), Fault> {
    let target = library::target()?;
    let machine = match target.split('-').next() {
        Some("x86_64") => ("amd64", "x86_64-linux-gnu"),
        Some("aarch64") => ("arm64", "aarch64-linux-gnu"),
        _ => return Err(format!("{target}: Debian's name for it is not known")),
    };
    let scratch = Scratch::new("debian")?;
    let [all, runtime, development] = ["all", "libotp0", "libotp-dev"].map(|name| scratch.0.join(name));
    let libdir = Path::new("lib").join(machine.1);
    let plan = Plan { prefix: "/usr".into(), libdir: libdir.clone(), destdir: Some(all.clone()), ..Plan::default() };
    install::install(&Plan { recipe: recipe.clone(), ..plan })?;
    let header = read(&root().join("include/otp.h"))?;
    let release = Release {
        version: install::version()?,
        abi: install::abi(&header)?.to_owned(),
        machine,
        glibc: library::build(recipe)?.glibc()?,
        licences: licences.to_owned(),
    };

    let (libraries, kept) = (all.join("usr").join(&libdir), runtime.join("usr").join(&libdir));
    make(&kept)?;
    for name in [format!("libotp.so.{}", release.abi), format!("libotp.so.{}", release.version)] {
        fs::rename(libraries.join(&name), kept.join(&name)).map_err(|cause| format!("{name}: {cause}"))?;
    }
    fs::remove_dir_all(all.join("usr/share/doc")).map_err(|cause| format!("usr/share/doc: {cause}"))?;
    fs::rename(&all, &development).map_err(|cause| format!("libotp-dev: {cause}"))?;
    for page in files(&development.join("usr/share/man/man3"))? {
        run(Command::new("gzip").arg("-9n").arg(page))?;
    }
    release.runtime(&runtime)?;
    release.development(&development)
}

impl Release {
    fn runtime(&self, tree: &Path) -> Result<(), Fault> {
        let (major, minor) = self.glibc;
        let (control, documents) = (tree.join("DEBIAN"), tree.join("usr/share/doc").join(self.runtime_name()));
        [&control, &documents].into_iter().try_for_each(|folder| make(folder))?;
        write(&documents.join("LICENSES-OF-PARTS.txt"), &self.licences)?;
        run(Command::new("gzip").arg("-9n").arg(documents.join("LICENSES-OF-PARTS.txt")))?;
        write(&control.join("shlibs"), format!("libotp {0} libotp{0} (>= {1})\n", self.abi, self.version))?;
        write(&control.join("triggers"), "activate-noawait ldconfig\n")?;
        let overrides = tree.join("usr/share/lintian/overrides");
        make(&overrides)?;
        let why = "# The repository's durability rests on this version of SQLite, built as it is.\n";
        write(&overrides.join(self.runtime_name()), format!("{why}{}: embedded-library *\n", self.runtime_name()))?;
        let more = format!("Section: libs\nDepends: libc6 (>= {major}.{minor})\n");
        let about = format!("Description: one-time passwords inside your own process - library\n{ABOUT}");
        self.pack(tree, &self.runtime_name(), &more, &about)
    }

    fn development(&self, tree: &Path) -> Result<(), Fault> {
        let (version, name) = (self.debian_version(), self.runtime_name());
        let more = format!("Section: libdevel\nDepends: {name} (= {version}), libc6-dev | libc-dev\n");
        let about = "Description: one-time passwords inside your own process - development files\n".to_owned() + ABOUT;
        let files = " .\n This package has the headers for C and C++, the static library, files for\n pkg-config and CMake, manual pages, and wrappers for other languages.\n";
        self.pack(tree, "libotp-dev", &more, &(about + files))
    }

    fn runtime_name(&self) -> String {
        format!("libotp{}", self.abi)
    }

    fn debian_version(&self) -> String {
        format!("{}-1", self.version)
    }

    /// Adds what every package has, and makes it.
    fn pack(&self, tree: &Path, name: &str, more: &str, about: &str) -> Result<(), Fault> {
        let (version, (machine, _)) = (self.debian_version(), self.machine);
        let documents = tree.join("usr/share/doc").join(name);
        make(&documents)?;
        write(&documents.join("copyright"), copyright()?)?;
        write(&documents.join("changelog.Debian"), self.changelog()?)?;
        run(Command::new("gzip").arg("-9n").arg(documents.join("changelog.Debian")))?;
        let sizes = run(Command::new("du").args(["-sk", "--apparent-size"]).arg(tree.join("usr")))?;
        let size = sizes.split_whitespace().next().unwrap_or("0");
        let control = format!(
            "Package: {name}\nSource: libotp\nVersion: {version}\nArchitecture: {machine}\nMulti-Arch: same\n\
             Maintainer: {}\nInstalled-Size: {size}\nPriority: optional\n{more}{about}",
            maintainer()
        );
        make(&tree.join("DEBIAN"))?;
        write(&tree.join("DEBIAN/control"), control)?;
        let sums = "find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums";
        run(Command::new("sh").args(["-c", sums]).current_dir(tree))?;
        // Debian's shared libraries are no programs.
        run(Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(tree))?;
        run(Command::new("find").arg(tree).args(["-type", "f", "-exec", "chmod", "a-x", "{}", "+"]))?;
        let package = dist().join(format!("{name}_{version}_{machine}.deb"));
        let mut pack = Command::new("dpkg-deb");
        pack.env("SOURCE_DATE_EPOCH", time().to_string()).args(["--root-owner-group", "-Zxz", "--build"]);
        run(pack.arg(tree).arg(package)).map(drop)
    }

    fn changelog(&self) -> Result<String, Fault> {
        let date = run(Command::new("date").args(["-Ru", "-d", &format!("@{}", time())]))?;
        let version = self.debian_version();
        Ok(format!("libotp ({version}) unstable; urgency=medium\n\n  * Release.\n\n -- {}  {date}", maintainer()))
    }
}

fn copyright() -> Result<String, Fault> {
    let mit = read(&root().join("LICENSE-MIT"))?;
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: libotp\n\
         Comment: /usr/share/doc/libotp0/LICENSES-OF-PARTS.txt.gz has the licences of what is in the library.\n\n\
         Files: *\nCopyright: the libotp developers\nLicense: Expat or Apache-2.0\n\nLicense: Expat\n{}\n\
         License: Apache-2.0\n On Debian systems, the text of this licence is in\n\
         \x20/usr/share/common-licenses/Apache-2.0.\n",
        indented(&mit)
    ))
}

/// A text as part of a field: blank lines are dots.
fn indented(text: &str) -> String {
    let line = |line: &str| if line.trim().is_empty() { " .\n".to_owned() } else { format!(" {line}\n") };
    text.lines().map(line).collect()
}

fn maintainer() -> String {
    let variable = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    format!("{} <{}>", variable("DEBFULLNAME", MAINTAINER.0), variable("DEBEMAIL", MAINTAINER.1))
}

fn make(folder: &Path) -> Result<(), Fault> {
    fs::create_dir_all(folder).map_err(|cause| format!("{}: {cause}", folder.display()))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = fs::read_dir(folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}
