//! The documentation as pages that need neither a network nor a server: `docs`, the READMEs of the wrappers, and the
//! reference of the interfaces.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Fault, cargo, links, read, reference, root, run, tools, write};

/// Where the Rust reference is put, within the site.
const RUST: &str = "reference/rust";

pub fn site() -> Result<(), Fault> {
    let mdbook = tools::mdbook()?;
    let (source, pages) = (folder().join("site-source"), folder().join("site"));
    for folder in [&source, &pages] {
        empty(folder)?;
    }
    stage(&source)?;
    run(Command::new(mdbook).arg("build").arg(&source).arg("-d").arg(&pages))?;
    copy(&rust()?, &pages.join(RUST))?;
    println!("{}", pages.join("index.html").display());
    Ok(())
}

/// Where cargo puts what it builds.
fn folder() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").and_then(|folder| std::path::absolute(folder).ok());
    given.unwrap_or_else(|| root().join("target"))
}

/// Lays the sources out as mdBook wants them, with all that pages lead to.
fn stage(folder: &Path) -> Result<(), Fault> {
    let source = folder.join("src");
    let mut todo = files(&root().join("docs"))?;
    let mut done = BTreeSet::new();
    while let Some(path) = todo.pop() {
        if !done.insert(path.clone()) {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let to = if ["book.toml", "site.css"].contains(&name) {
            folder.join(name)
        } else {
            source.join(links::place(&path))
        };
        make(to.parent().unwrap_or(folder))?;
        if path.extension().is_some_and(|ending| ending == "md") {
            let (text, targets) = links::moved(&path, &read(&root().join(&path))?)?;
            todo.extend(targets);
            write(&to, text)?;
        } else {
            let bytes = std::fs::read(root().join(&path)).map_err(|cause| format!("{}: {cause}", path.display()))?;
            write(&to, bytes)?;
        }
    }
    add_reference(&source)
}

/// Adds the pages that are made from sources, and their lines in the contents.
fn add_reference(source: &Path) -> Result<(), Fault> {
    make(&source.join("reference"))?;
    let mut pages = reference::pages()?;
    let rust = "# Rust: `otp`\n\nThe crate's documentation is [here](rust/otp/index.html), as rustdoc makes it.\n";
    pages.push(reference::Page { title: "Rust", path: "reference/rust.md", text: rust.to_owned() });
    let (mut contents, mut list) = (String::new(), "\n## The pages\n\n".to_owned());
    for page in &pages {
        write(&source.join(page.path), &page.text)?;
        contents += &format!("  - [{}]({})\n", page.title, page.path);
        list += &format!("- [{}]({})\n", page.title, page.path);
    }
    let (summary, about) = (source.join("SUMMARY.md"), source.join("reference.md"));
    let line = "(reference.md)\n";
    let text = read(&summary)?;
    let (before, after) = text.split_once(line).ok_or("docs/SUMMARY.md: no line for reference.md")?;
    write(&summary, format!("{before}{line}{contents}{after}"))?;
    write(&about, read(&about)? + &list)
}

/// The crate's documentation, alone: rustdoc leaves pages of whatever it made before.
fn rust() -> Result<PathBuf, Fault> {
    let made = folder().join("doc");
    empty(&made)?;
    let mut cargo = Command::new(cargo());
    cargo.current_dir(root()).args(["doc", "--package", "libotp", "--lib", "--no-deps", "--all-features", "--locked"]);
    run(&mut cargo)?;
    Ok(made)
}

/// All files below a folder of the workspace, by their paths in it.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let fault = |cause: std::io::Error| format!("{}: {cause}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        match path.strip_prefix(root()) {
            _ if path.is_dir() => found.extend(files(&path)?),
            Ok(within) => found.push(within.to_owned()),
            Err(_) => return Err(format!("{}: not in the workspace", path.display())),
        }
    }
    Ok(found)
}

fn make(folder: &Path) -> Result<(), Fault> {
    std::fs::create_dir_all(folder).map_err(|cause| format!("{}: {cause}", folder.display()))
}

fn empty(folder: &Path) -> Result<(), Fault> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    }
    make(folder)
}

fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    let fault = |cause: std::io::Error| format!("{}: {cause}", from.display());
    make(to)?;
    for entry in std::fs::read_dir(from).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else if !path.ends_with(".lock") {
            std::fs::copy(&path, &target).map_err(fault)?;
        }
    }
    Ok(())
}
