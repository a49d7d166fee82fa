//! Packages for Debian and its like: `libotp0` with the library, `libotp-dev` with what compiling needs, `otp-tools` with
//! the operator's command.

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

/// What belongs to the command, below `usr`, and where Debian has it.
const OF_COMMAND: [(&str, &str); 5] = [
    ("bin", "bin"),
    ("share/man/man1", "share/man/man1"),
    ("share/bash-completion", "share/bash-completion"),
    ("share/zsh/site-functions", "share/zsh/vendor-completions"),
    ("share/fish", "share/fish"),
];

/// What is the same in all packages.
struct Release {
    version: String,
    abi: String,
    /// Debian's name for the machine, and the folder of its libraries.
    machine: (&'static str, &'static str),
    /// The oldest glibc that will do for the library, and for the command.
    glibc: [(u32, u32); 2],
    /// Of what is in the library, and in the command.
    licences: [String; 2],
}

/// Makes all in `dist`.
pub fn packages(recipe: &Recipe, licences: [String; 2]) -> Result<(), Fault> {
    let target = library::target()?;
    let machine = match target.split('-').next() {
        Some("x86_64") => ("amd64", "x86_64-linux-gnu"),
        Some("aarch64") => ("arm64", "aarch64-linux-gnu"),
        _ => return Err(format!("{target}: Debian's name for it is not known")),
    };
    let scratch = Scratch::new("debian")?;
    let [all, runtime, development, command] =
        ["all", "libotp0", "libotp-dev", "otp-tools"].map(|name| scratch.0.join(name));
    let libdir = Path::new("lib").join(machine.1);
    let plan = Plan { prefix: "/usr".into(), libdir: libdir.clone(), destdir: Some(all.clone()), ..Plan::default() };
    install::install(&Plan { recipe: recipe.clone(), ..plan })?;
    let header = read(&root().join("include/otp.h"))?;
    let built = library::build(recipe)?;
    let release = Release {
        version: install::version()?,
        abi: install::abi(&header)?.to_owned(),
        machine,
        glibc: [built.glibc()?, library::glibc_of(&built.command())?],
        licences,
    };

    let (libraries, kept) = (all.join("usr").join(&libdir), runtime.join("usr").join(&libdir));
    make(&kept)?;
    for name in [format!("libotp.so.{}", release.abi), format!("libotp.so.{}", release.version)] {
        fs::rename(libraries.join(&name), kept.join(&name)).map_err(|cause| format!("{name}: {cause}"))?;
    }
    for (from, to) in OF_COMMAND {
        let to = command.join("usr").join(to);
        make(to.parent().unwrap_or(&to))?;
        fs::rename(all.join("usr").join(from), to).map_err(|cause| format!("{from}: {cause}"))?;
    }
    let empty = all.join("usr/share/zsh");
    fs::remove_dir(&empty).map_err(|cause| format!("{}: {cause}", empty.display()))?;
    fs::remove_dir_all(all.join("usr/share/doc")).map_err(|cause| format!("usr/share/doc: {cause}"))?;
    fs::rename(&all, &development).map_err(|cause| format!("libotp-dev: {cause}"))?;
    for folder in [development.join("usr/share/man/man3"), command.join("usr/share/man/man1")] {
        for page in files(&folder)? {
            run(Command::new("gzip").arg("-9n").arg(page))?;
        }
    }
    release.runtime(&runtime)?;
    release.development(&development)?;
    release.command(&command)
}

impl Release {
    fn runtime(&self, tree: &Path) -> Result<(), Fault> {
        let (major, minor) = self.glibc[0];
        let control = tree.join("DEBIAN");
        make(&control)?;
        self.parts(tree, &self.runtime_name(), &self.licences[0])?;
        write(&control.join("shlibs"), format!("libotp {0} libotp{0} (>= {1})\n", self.abi, self.version))?;
        write(&control.join("triggers"), "activate-noawait ldconfig\n")?;
        let more = format!("Multi-Arch: same\nSection: libs\nDepends: libc6 (>= {major}.{minor})\n");
        let about = format!("Description: one-time passwords inside your own process - library\n{ABOUT}");
        self.pack(tree, &self.runtime_name(), &more, &about)
    }

    fn command(&self, tree: &Path) -> Result<(), Fault> {
        let (major, minor) = self.glibc[1];
        self.parts(tree, "otp-tools", &self.licences[1])?;
        // Another package has a program of this name, which makes lists of one-time passwords.
        let more = format!("Section: admin\nDepends: libc6 (>= {major}.{minor})\nConflicts: otp\n");
        let about = "Description: one-time passwords inside your own process - operator's command\n".to_owned() + ABOUT;
        let files = " .\n This package has otp, the command by which people look after a service with\n libotp, its manual page, and completions for shells.\n";
        self.pack(tree, "otp-tools", &more, &(about + files))
    }

    /// What a package says of the parts that are in it.
    fn parts(&self, tree: &Path, name: &str, licences: &str) -> Result<(), Fault> {
        let (documents, overrides) = (tree.join("usr/share/doc").join(name), tree.join("usr/share/lintian/overrides"));
        [&documents, &overrides].into_iter().try_for_each(|folder| make(folder))?;
        write(&documents.join("LICENSES-OF-PARTS.txt"), licences)?;
        run(Command::new("gzip").arg("-9n").arg(documents.join("LICENSES-OF-PARTS.txt")))?;
        let why = "# The repository's durability rests on this version of SQLite, built as it is.\n";
        write(&overrides.join(name), format!("{why}{name}: embedded-library *\n"))
    }

    fn development(&self, tree: &Path) -> Result<(), Fault> {
        let (version, name) = (self.debian_version(), self.runtime_name());
        let more =
            format!("Multi-Arch: same\nSection: libdevel\nDepends: {name} (= {version}), libc6-dev | libc-dev\n");
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
        write(&documents.join("copyright"), copyright(name)?)?;
        write(&documents.join("changelog.Debian"), self.changelog()?)?;
        run(Command::new("gzip").arg("-9n").arg(documents.join("changelog.Debian")))?;
        let sizes = run(Command::new("du").args(["-sk", "--apparent-size"]).arg(tree.join("usr")))?;
        let size = sizes.split_whitespace().next().unwrap_or("0");
        let control = format!(
            "Package: {name}\nSource: libotp\nVersion: {version}\nArchitecture: {machine}\n\
             Maintainer: {}\nInstalled-Size: {size}\nPriority: optional\n{more}{about}",
            maintainer()
        );
        make(&tree.join("DEBIAN"))?;
        write(&tree.join("DEBIAN/control"), control)?;
        let sums = "find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums";
        run(Command::new("sh").args(["-c", sums]).current_dir(tree))?;
        // Debian's shared libraries are no programs; what is in bin is.
        run(Command::new("chmod").args(["-R", "u=rwX,go=rX"]).arg(tree))?;
        run(Command::new("find").arg(tree).args([
            "-type",
            "f",
            "-not",
            "-path",
            "*/usr/bin/*",
            "-exec",
            "chmod",
            "a-x",
            "{}",
            "+",
        ]))?;
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

fn copyright(package: &str) -> Result<String, Fault> {
    let mit = read(&root().join("LICENSE-MIT"))?;
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: libotp\n\
         Comment: /usr/share/doc/{}/LICENSES-OF-PARTS.txt.gz has the licences of what is in it.\n\n\
         Files: *\nCopyright: the libotp developers\nLicense: Expat or Apache-2.0\n\nLicense: Expat\n{}\n\
         License: Apache-2.0\n On Debian systems, the text of this licence is in\n\
         \x20/usr/share/common-licenses/Apache-2.0.\n",
        if package == "libotp-dev" { "libotp0" } else { package },
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
