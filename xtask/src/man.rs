//! A manual page for each function, and one for all they have in common, made from the header.

use crate::Fault;
use crate::header::{Item, Part, items, name_of, parts};

pub struct Page {
    pub name: String,
    pub text: String,
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

fn body(comment: &[String]) -> String {
    let part = |part: Part| match part {
        Part::Paragraph(text) => format!(".PP\n{}\n", inline(&text)),
        Part::Item(text) => format!(".IP \\(bu 2\n{}\n", inline(&text)),
        Part::Heading(text) => format!(".SH {}\n", text.to_uppercase()),
        Part::Code(code) => format!(".PP\n.RS 4\n.EX\n{}\n.EE\n.RE\n", lines(&code.join("\n"))),
    };
    parts(comment).into_iter().map(part).collect()
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
