//! Pages about the interfaces, made from their sources.

mod c;
mod cpp;
mod node;
mod python;

use crate::{Fault, read, root};

/// A page of the site.
pub struct Page {
    pub title: &'static str,
    /// Within the folder of the pages.
    pub path: &'static str,
    pub text: String,
}

/// The pages, in the order of the contents.
pub fn pages() -> Result<Vec<Page>, Fault> {
    let source = |path: &str| read(&root().join(path));
    Ok(vec![
        Page { title: "C", path: "reference/c.md", text: c::page(&source("include/otp.h")?)? },
        Page { title: "C++", path: "reference/cpp.md", text: cpp::page(&source("include/otp.hpp")?)? },
        Page { title: "Python", path: "reference/python.md", text: python::page()? },
        Page { title: "Node", path: "reference/node.md", text: node::page(&source("bindings/node/index.d.cts")?)? },
    ])
}

/// Text for Markdown in which only names between backticks are marked.
fn escaped(text: &str) -> String {
    let part = |(place, part): (usize, &str)| match place % 2 {
        0 => part.replace('<', "&lt;").replace('*', "\\*").replace('[', "\\["),
        _ => format!("`{part}`"),
    };
    text.split('`').enumerate().map(part).collect()
}

/// A comment that begins on this line: its lines, without what marks them.
fn comment<'a>(first: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> Vec<String> {
    let bare = |line: &str| line.trim().trim_end_matches("*/").trim_end().to_owned();
    let inner = first.trim().trim_start_matches("/**").trim_start();
    if first.trim_end().ends_with("*/") {
        return vec![bare(inner)];
    }
    let mut comment: Vec<_> = Some(inner.to_owned()).into_iter().filter(|line| !line.is_empty()).collect();
    for line in lines {
        let text = line.trim_start().trim_start_matches('*');
        if line.trim_end().ends_with("*/") {
            let last = bare(text.trim_end_matches('/'));
            comment.extend(Some(last).filter(|line| !line.is_empty()));
            break;
        }
        comment.push(text.strip_prefix(' ').unwrap_or(text).to_owned());
    }
    comment
}
