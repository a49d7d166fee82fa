//! The page about `otp.h`.

use super::escaped;
use crate::Fault;
use crate::header::{Item, Part, items, name_of, parts};

pub fn page(header: &str) -> Result<String, Fault> {
    let items = items(header);
    let about = items.iter().find(|item| item.comment.first().is_some_and(|line| line.starts_with("@file")));
    let about = about.ok_or("otp.h: nothing about the file")?;
    let names: Vec<&str> = items.iter().filter_map(|item| name_of(&item.declaration)).collect();
    if names.is_empty() {
        return Err("otp.h: no functions".to_owned());
    }
    let mut text = "# C: `otp.h`\n\n".to_owned();
    let overview: Vec<String> = about.comment.iter().filter(|line| !line.starts_with("@file")).cloned().collect();
    text += &body(&overview, &names, true);
    text += "\n## Functions\n";
    for item in &items {
        if let Some(name) = name_of(&item.declaration) {
            text += &format!("\n### {name}\n\n{}", described(item, &names));
        }
    }
    text += "\n## Types\n";
    for item in items.iter().filter(|item| item.declaration.starts_with("typedef")) {
        text += &format!("\n### {}\n\n{}", type_name(&item.declaration)?, described(item, &names));
    }
    text += "\n## Numbers\n\n| name | value | |\n|---|---|---|\n";
    for item in &items {
        let mut words = item.declaration.split_whitespace();
        if let (Some("#define"), Some(name), Some(value)) = (words.next(), words.next(), words.next()) {
            let about = inline(&item.comment.join(" "), &names).replace('|', "\\|");
            text += &format!("| `{name}` | {} | {about} |\n", value.trim_matches(['(', ')']));
        }
    }
    Ok(text)
}

fn described(item: &Item, names: &[&str]) -> String {
    let declaration = item.declaration.replace("OTP_NODISCARD ", "").replace("OTP_NODISCARD\n", "");
    format!("```c\n{declaration}\n```\n\n{}", body(&item.comment, names, false))
}

/// The name that a typedef declares: of a function's type it stands in brackets.
fn type_name(declaration: &str) -> Result<&str, Fault> {
    let name = match declaration.split_once("(*") {
        Some((_, rest)) => rest.split(')').next(),
        None => declaration.trim_end_matches(';').rsplit(' ').next(),
    };
    name.ok_or_else(|| format!("otp.h: {declaration}"))
}

/// `is_overview`: the first words of a paragraph are its heading, as in "Replies. `reply` is …".
fn body(comment: &[String], names: &[&str], is_overview: bool) -> String {
    let part = |part: Part| match part {
        Part::Paragraph(text) => match text.split_once(". ").filter(|(head, _)| is_overview && is_heading(head)) {
            Some((head, rest)) => format!("\n## {head}\n\n{}\n\n", inline(rest, names)),
            None => format!("\n{}\n\n", inline(&text, names)),
        },
        Part::Item(text) => format!("- {}\n", inline(&text, names)),
        Part::Heading(text) => format!("\n**{text}**\n\n"),
        Part::Code(code) => format!("\n```c\n{}\n```\n\n", code.join("\n")),
    };
    parts(comment).into_iter().map(part).collect()
}

fn is_heading(text: &str) -> bool {
    text.len() < 24 && !text.contains([':', ',', '`'])
}

/// Text in which each function that is named leads to its own place.
fn inline(text: &str, names: &[&str]) -> String {
    let mut text = escaped(text);
    for name in names {
        text = text.replace(&format!("{name}()"), &format!("[{name}()](#{name})"));
    }
    text
}
