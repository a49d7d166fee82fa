//! Links of pages in Markdown.

use std::path::Path;

/// The text without blocks of code.
fn without_code(text: &str) -> String {
    let mut is_code = false;
    let is_text = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    };
    text.lines().filter(is_text).collect::<Vec<_>>().join("\n")
}

/// The links of a page to files beside it: how many there are, and those that lead to none.
pub fn to_files(page: &Path) -> (usize, Vec<String>) {
    let text = without_code(&std::fs::read_to_string(page).unwrap());
    let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let links: Vec<_> = links.filter(|link| !link.is_empty() && !link.contains(':')).collect();
    let folder = page.parent().unwrap();
    let dead = links.iter().filter(|link| !folder.join(link).exists());
    (links.len(), dead.map(|link| format!("{}: {link}", page.display())).collect())
}
