//! A manual page for each function, and one for all they have in common, made from the header.

use crate::Fault;

pub struct Page {
    pub name: String,
    pub text: String,
}

/// A comment of the header, and the declaration after it.
struct Item {
    comment: Vec<String>,
    declaration: String,
}

pub fn pages(header: &str, version: &str) -> Result<Vec<Page>, Fault> {
    let items = items(header);
    let functions: Vec<_> = items.iter().filter_map(|item| Some((name_of(&item.declaration)?, item))).collect();
    if functions.is_empty() {
        return Err("otp.h: no functions".to_owned());
    }
    let about = items.iter().find(|item| item.comment.first().is_some_and(|line| line.starts_with("@file")));
    let about = about.ok_or("otp.h: nothing about the file")?;
    let names: Vec<_> = functions.iter().map(|(name, _)| *name).collect();
    let mut pages = vec![overview(about, &names, version)];
    pages.extend(functions.into_iter().map(|(name, item)| function(name, item, version)));
    Ok(pages)
}

fn items(header: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut lines = header.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() != "/**" {
            continue;
        }
        let comment: Vec<_> = lines
            .by_ref()
            .take_while(|line| line.trim() != "*/")
            .map(|line| line.trim_start().trim_start_matches('*').strip_prefix(' ').unwrap_or("").to_owned())
            .collect();
        let mut declaration: Vec<&str> = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.trim().is_empty() && !line.starts_with("/**")) {
            declaration.push(line);
            if line.ends_with(';') {
                break;
            }
        }
        items.push(Item { comment, declaration: declaration.join("\n") });
    }
    items
}

/// The function that this declares, if it is one.
fn name_of(declaration: &str) -> Option<&str> {
    let is_other = ["typedef", "#", "enum", "struct"].iter().any(|word| declaration.starts_with(word));
    let (before, _) = declaration.split_once('(')?;
    let name = before.rsplit([' ', '*', '\n']).next()?;
    (!is_other && name.starts_with("otp_")).then_some(name)
}

fn head(name: &str, version: &str) -> String {
    format!(".TH {} 3 \"\" \"libotp {}\" \"libotp\"\n", name.to_uppercase(), escape(version))
}

fn overview(about: &Item, names: &[&str], version: &str) -> Page {
    let (first, rest) = sentence(&about.comment, "libotp: ");
    let mut text = head("libotp", version);
    text += &format!(".SH NAME\nlibotp \\- {first}\n.SH SYNOPSIS\n.nf\n#include <otp.h>\n\ncc \\&... \\-lotp\n.fi\n");
    text += ".SH DESCRIPTION\n";
    text += &body(&rest);
    text += ".SH SEE ALSO\n";
    text += &names.iter().map(|name| format!(".BR {} (3)", escape(name))).collect::<Vec<_>>().join(",\n");
    text.push('\n');
    Page { name: "libotp".to_owned(), text }
}

fn function(name: &str, item: &Item, version: &str) -> Page {
    let (first, rest) = sentence(&item.comment, "");
    let mut text = head(name, version);
    let declaration = item.declaration.replace("OTP_NODISCARD ", "");
    text += &format!(".SH NAME\n{} \\- {first}\n", escape(name));
    text += &format!(".SH SYNOPSIS\n.nf\n#include <otp.h>\n\n{}\n.fi\n", lines(&declaration));
    text += ".SH DESCRIPTION\n";
    text += &body(&rest);
    text += ".SH SEE ALSO\n.BR libotp (3)\n";
    Page { name: name.to_owned(), text }
}

/// The first sentence, for the list of all pages, and the whole comment without the line that names the file.
fn sentence(comment: &[String], before: &str) -> (String, Vec<String>) {
    let all: Vec<String> = comment.iter().filter(|line| !line.starts_with("@file")).cloned().collect();
    let paragraph: Vec<_> = all.iter().take_while(|line| !line.is_empty()).map(String::as_str).collect();
    let paragraph = paragraph.join(" ");
    let first = paragraph.strip_prefix(before).unwrap_or(&paragraph);
    let end = first.find(". ").unwrap_or(first.trim_end_matches('.').len());
    (inline(&first[..end]).replace("\\fB", "").replace("\\fR", ""), all)
}

/// A part of a comment.
enum Part {
    Paragraph(String),
    Item(String),
    Heading(String),
    Code(Vec<String>),
}

/// The parts of a comment; lines of a paragraph are put together, since a name may be broken.
fn parts(comment: &[String]) -> Vec<Part> {
    let (mut parts, mut is_open) = (Vec::new(), false);
    let mut lines = comment.iter();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.starts_with("```")).cloned().collect();
            parts.push(Part::Code(code));
            is_open = false;
        } else if let Some(heading) = heading(line) {
            parts.push(Part::Heading(heading.to_owned()));
            is_open = false;
        } else if let Some(item) = line.strip_prefix("- ") {
            parts.push(Part::Item(item.to_owned()));
            is_open = true;
        } else if line.is_empty() {
            is_open = false;
        } else if let (true, Some(Part::Paragraph(text) | Part::Item(text))) = (is_open, parts.last_mut()) {
            *text += " ";
            *text += line.trim_start();
        } else {
            parts.push(Part::Paragraph(line.clone()));
            is_open = true;
        }
    }
    parts
}

fn body(comment: &[String]) -> String {
    let part = |part: Part| match part {
        Part::Paragraph(text) => format!(".PP\n{}\n", inline(&text)),
        Part::Item(text) => format!(".IP \\(bu 2\n{}\n", inline(&text)),
        Part::Heading(text) => format!(".SH {}\n", text.to_uppercase()),
        Part::Code(code) => format!(".PP\n.RS 4\n.EX\n{}\n.EE\n.RE\n", lines(&code.join("\n"))),
    };
    parts(comment).into_iter().map(part).collect()
}

/// `Parameters:` alone on a line.
fn heading(line: &str) -> Option<&str> {
    let word = line.strip_suffix(':')?;
    (word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphabetic)).then_some(word)
}

/// Text with names in bold.
fn inline(text: &str) -> String {
    let marked = escape(text).split('`').enumerate().fold(String::new(), |all, (place, part)| match place {
        0 => part.to_owned(),
        _ if place % 2 == 1 => all + "\\fB" + part,
        _ => all + "\\fR" + part,
    });
    guard(&marked)
}

fn lines(text: &str) -> String {
    text.lines().map(|line| guard(&escape(line))).collect::<Vec<_>>().join("\n")
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// A line that begins with a dot or an apostrophe would be a request.
fn guard(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}
