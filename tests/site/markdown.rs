//! The sources of the site that are written by hand.

use std::path::PathBuf;

use testing::compiler::root;

use crate::built::files;

/// A snippet of a page.
pub struct Snippet {
    /// File and line, to tell it by.
    pub place: String,
    pub language: String,
    pub code: String,
    /// What the comment on the line before says: why it is not run, or not even checked.
    pub mark: Option<Mark>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Checked as the language allows it, but not run.
    NotRun(String),
    NotChecked(String),
}

/// `docs` and README, with their text.
pub fn sources() -> Vec<(PathBuf, String)> {
    let mut pages = files(&root().join("docs"), ".md");
    pages.push(root().join("README.md"));
    pages.into_iter().map(|page| (page.clone(), std::fs::read_to_string(page).unwrap())).collect()
}

fn mark(line: &str) -> Option<Mark> {
    let comment = line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    let (kind, reason) = comment.split_once(": ")?;
    match kind {
        "not run" => Some(Mark::NotRun(reason.to_owned())),
        "not checked" => Some(Mark::NotChecked(reason.to_owned())),
        _ => None,
    }
}

/// All snippets, in the order in which they stand.
pub fn snippets() -> Vec<Snippet> {
    let mut found = Vec::new();
    for (page, text) in sources() {
        let name = page.file_name().unwrap().to_str().unwrap();
        let mut lines = text.lines().enumerate();
        let mut before = "";
        while let Some((number, line)) = lines.next() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let indent = line.len() - line.trim_start().len();
                let code = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
                let code: String = code.map(|line| format!("{}\n", line.get(indent..).unwrap_or(""))).collect();
                let place = format!("{name}:{}", number + 1);
                found.push(Snippet { place, language: language.to_owned(), code, mark: mark(before) });
            }
            before = line;
        }
    }
    found
}
