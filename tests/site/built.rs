//! The site, as `cargo xtask site` builds it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use testing::compiler::{root, succeed};
use testing::{Watchdog, tool};

/// The folder of the site, which is built once. None, said loudly, where what builds it is missing.
pub fn site() -> Option<&'static Path> {
    static SITE: OnceLock<Option<PathBuf>> = OnceLock::new();
    SITE.get_or_init(|| {
        tool("python3")?;
        let _watchdog = Watchdog::new("cargo xtask site", 1200);
        let mut cargo = Command::new(env!("CARGO"));
        let index = succeed(cargo.args(["xtask", "site"]).current_dir(root()));
        Some(Path::new(index.trim()).parent().unwrap().to_owned())
    })
    .as_deref()
}

/// All files below a folder that end so.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The pages that mdBook made. What rustdoc made is below `reference/rust`.
pub fn pages(site: &Path) -> Vec<PathBuf> {
    let rust = site.join("reference/rust/");
    files(site, ".html").into_iter().filter(|path| !path.starts_with(&rust) && !path.ends_with("toc.html")).collect()
}
