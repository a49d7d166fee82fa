//! The header as one reads it: comments, and what each is about.

/// A comment of the header, and the declaration after it.
pub struct Item {
    pub comment: Vec<String>,
    pub declaration: String,
}

pub fn items(header: &str) -> Vec<Item> {
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
pub fn name_of(declaration: &str) -> Option<&str> {
    let is_other = ["typedef", "#", "enum", "struct"].iter().any(|word| declaration.starts_with(word));
    let (before, _) = declaration.split_once('(')?;
    let name = before.rsplit([' ', '*', '\n']).next()?;
    (!is_other && name.starts_with("otp_")).then_some(name)
}

/// A part of a comment.
pub enum Part {
    Paragraph(String),
    Item(String),
    Heading(String),
    Code(Vec<String>),
}

/// The parts of a comment; lines of a paragraph are put together, since a name may be broken.
pub fn parts(comment: &[String]) -> Vec<Part> {
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

/// `Parameters:` alone on a line.
fn heading(line: &str) -> Option<&str> {
    let word = line.strip_suffix(':')?;
    (word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphabetic)).then_some(word)
}
