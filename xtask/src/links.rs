//! Links of Markdown that is read where it is written, made to hold where the site has the page.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::{Fault, read, root};

/// Where the site has a file of the workspace: `docs` is its root, wrappers have their READMEs in `languages`, and other
/// files are text to be looked at.
pub fn place(file: &Path) -> PathBuf {
    let parts: Vec<_> = file.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        ["README.md"] => "index.md".into(),
        ["docs", rest @ ..] => rest.iter().collect(),
        ["bindings", language, "README.md"] => format!("languages/{language}.md").into(),
        // mdBook takes whatever has .md in its name for a page.
        [.., name] if name.ends_with(".md") => PathBuf::from("files").join(file.with_extension("txt")),
        _ => PathBuf::from("files").join(format!("{}.txt", file.display())),
    }
}

/// The text of a page with its links as they are in the site, and the files of the workspace that they lead to.
pub fn moved(page: &Path, text: &str) -> Result<(String, Vec<PathBuf>), Fault> {
    let (mut out, mut targets, mut is_code) = (String::new(), Vec::new(), false);
    for line in text.split_inclusive('\n') {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence {
            out += line;
            continue;
        }
        let mut parts = line.split("](");
        out += parts.next().unwrap_or_default();
        for part in parts {
            let (link, rest) = part.split_once(')').ok_or_else(|| format!("{}: {}", page.display(), line.trim()))?;
            let link = match target(page, link)? {
                None => link.to_owned(),
                Some((file, anchor)) => {
                    let link = between(&place(page), &place(&file)).display().to_string() + &anchor;
                    targets.push(file);
                    link
                }
            };
            out += &format!("]({link}){rest}");
        }
    }
    Ok((out, targets))
}

/// A page of the workspace, and all files that it and the pages among them lead to.
pub fn reached(page: &str) -> Result<BTreeSet<PathBuf>, Fault> {
    let (mut todo, mut done) = (vec![PathBuf::from(page)], BTreeSet::new());
    while let Some(path) = todo.pop() {
        if done.insert(path.clone()) && path.extension().is_some_and(|ending| ending == "md") {
            todo.extend(moved(&path, &read(&root().join(&path))?)?.1);
        }
    }
    Ok(done)
}

/// The file of the workspace to which a link leads, and the place in it. None: elsewhere, or within the page.
fn target(page: &Path, link: &str) -> Result<Option<(PathBuf, String)>, Fault> {
    if link.contains("://") || link.starts_with(['#', '<']) || link.starts_with("mailto:") {
        return Ok(None);
    }
    let (path, anchor) = link.find('#').map_or((link, ""), |place| link.split_at(place));
    let mut file = PathBuf::new();
    for part in page.parent().unwrap_or(page).join(path).components() {
        match part {
            Component::ParentDir => _ = file.pop(),
            other => file.push(other),
        }
    }
    if !root().join(&file).is_file() {
        return Err(format!("{}: {link} leads to no file", page.display()));
    }
    Ok(Some((file, anchor.to_owned())))
}

/// The way from one page to another.
fn between(from: &Path, to: &Path) -> PathBuf {
    let up = from.parent().map_or(0, |folder| folder.components().count());
    std::iter::repeat_n("..", up).collect::<PathBuf>().join(to)
}
