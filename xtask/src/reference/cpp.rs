//! The page about `otp.hpp`: what stands in the namespace and is public.

use super::{comment, escaped};
use crate::Fault;

pub fn page(header: &str) -> Result<String, Fault> {
    let mut lines = header.lines();
    let about = lines.next().map(|first| comment(first, &mut lines)).ok_or("otp.hpp: empty")?;
    let about: Vec<_> = about.into_iter().filter(|line| !line.starts_with("@file")).collect();
    let mut text = format!("# C++: `otp.hpp`\n\n{}\n", paragraphs(&about));
    let (mut is_public, mut is_detail, mut pending) = (false, false, Vec::new());
    while let Some(line) = lines.next() {
        if line.starts_with("namespace detail") || line.starts_with("} // namespace detail") {
            is_detail = line.starts_with("namespace");
        } else if is_detail {
            continue;
        } else if line.trim_start().starts_with("/**") {
            pending = comment(line, &mut lines);
        } else if let Some(name) = line.strip_prefix("class ") {
            let name = name.trim_end_matches(" {");
            text += &format!("\n## {}\n\n", name.split(' ').next().unwrap_or(name));
            text += &format!("```cpp\nclass otp::{name}\n```\n\n{}\n", paragraphs(&std::mem::take(&mut pending)));
        } else if line.starts_with("typedef ") {
            text += &format!("\n```cpp\n{line}\n```\n\n{}\n", paragraphs(&std::mem::take(&mut pending)));
        } else if let Some(section) = line.strip_suffix(':') {
            is_public = section == "public";
        } else if is_public && is_member(line) {
            let signature = signature(line, &mut lines);
            text += &format!("\n```cpp\n{signature};\n```\n\n{}\n", paragraphs(&std::mem::take(&mut pending)));
        }
    }
    Ok(text)
}

/// Whether something is declared here, and not what a function does.
fn is_member(line: &str) -> bool {
    line.strip_prefix("  ")
        .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '~'))
}

/// The declaration that begins on this line, without what the function does.
fn signature<'a>(first: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut whole = first.trim().to_owned();
    while !whole.contains([';', '{']) {
        let Some(next) = lines.next() else { break };
        whole += " ";
        whole += next.trim();
    }
    // Of a default that is an empty object the braces stand in a text.
    let end = whole.match_indices(['{', ';']).find(|(place, _)| !whole[..*place].ends_with('"'));
    let whole = &whole[..end.map_or(whole.len(), |(place, _)| place)];
    let whole = whole
        .split(") : ")
        .next()
        .map_or(whole.to_owned(), |head| if head.len() < whole.len() { format!("{head})") } else { whole.to_owned() });
    whole.trim_end().trim_start_matches("OTP_NODISCARD ").to_owned()
}

fn paragraphs(comment: &[String]) -> String {
    let (mut text, mut is_code) = (String::new(), false);
    for line in comment {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        text += &if is_code || is_fence { line.clone() } else { escaped(line) };
        text.push('\n');
    }
    text
}
