//! The page about `index.d.cts`: what the Node package exports.

use super::{comment, escaped};
use crate::Fault;

pub fn page(types: &str) -> Result<String, Fault> {
    let mut text =
        "# Node: `libotp`\n\nThe types of the package, which `require('libotp')` and `import` have alike.\n".to_owned();
    let mut lines = types.lines();
    let mut pending = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with("/**") {
            pending = comment(line, &mut lines);
        } else if let Some(declaration) = line.strip_prefix("export ") {
            let name = name_of(declaration).ok_or_else(|| format!("index.d.cts: {line}"))?;
            text += &format!("\n## {name}\n\n{}\n\n", escaped(&std::mem::take(&mut pending).join("\n")));
            text += &match declaration.strip_suffix(" {").filter(|head| head.starts_with("class ")) {
                Some(head) => format!("```ts\n{head}\n```\n{}", members(name, &mut lines)),
                None => format!("```ts\n{}\n```\n", whole(declaration, &mut lines)),
            };
        }
    }
    Ok(text)
}

fn name_of(declaration: &str) -> Option<&str> {
    let rest = ["class ", "interface ", "type ", "function "].iter().find_map(|word| declaration.strip_prefix(word))?;
    rest.split(|letter: char| !letter.is_alphanumeric()).next()
}

/// A declaration to its end: a brace at the beginning of a line, or a semicolon.
fn whole<'a>(first: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut whole = first.to_owned();
    if first.ends_with([';', '}']) {
        return whole;
    }
    for line in lines {
        whole += &format!("\n{line}");
        if line == "}" || (!first.ends_with('{') && line.ends_with(';')) {
            break;
        }
    }
    whole
}

/// The members of a class, each with what is said of it.
fn members<'a>(class: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let (mut text, mut pending) = (String::new(), Vec::new());
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if line == "}" {
            break;
        } else if trimmed.starts_with("/**") {
            pending = comment(line, lines);
        } else if ["private ", "["].iter().any(|start| trimmed.starts_with(start)) || trimmed.is_empty() {
            continue;
        } else {
            let bare = trimmed.trim_start_matches("static ").trim_start_matches("readonly ");
            let name = bare.split(['(', ':', '?', ';']).next().unwrap_or(bare);
            let about = escaped(&std::mem::take(&mut pending).join("\n"));
            text += &format!("\n### {class}.{name}\n\n```ts\n{trimmed}\n```\n\n{about}\n");
        }
    }
    text
}
