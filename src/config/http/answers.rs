//! What answers mean: lists of statuses, and of values at a path.

use std::ops::RangeInclusive;

use crate::error::Result;
use crate::strict::{Node, Object};

/// Statuses by which a carrier says that it has done something.
const GOOD: RangeInclusive<u16> = 200..=299;

/// Most entries of a list, and most values of an entry.
const MOST_ENTRIES: usize = 64;

/// Longest path, in bytes.
const PATH_BYTES: usize = 128;

/// The answers of one meaning.
#[derive(Default)]
pub struct Listed {
    /// Statuses.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// Paths, each with values as JSON writes them.
    pub values: Vec<(String, Vec<String>)>,
}

/// What answers mean; any other leaves the message in doubt.
pub struct Answers {
    /// The message was taken.
    pub accepted: Listed,
    /// It was certainly not taken, and another try may help.
    pub not_taken: Listed,
    /// It was certainly not taken, and is not going to be.
    pub refused: Listed,
}

impl Answers {
    /// Takes `accepted`, `notTaken` and `refused`.
    ///
    /// # Errors
    ///
    /// What is malformed, and a status that two of them have.
    pub fn read(options: &mut Object) -> Result<Self> {
        let accepted = match options.take("accepted") {
            Some(node) => read_list(node, GOOD)?,
            None => Listed { statuses: vec![GOOD], ..Listed::default() },
        };
        let not_taken = take_list(options, "notTaken")?;
        let refused = take_list(options, "refused")?;
        let twice = "has a status that another list has (accepted: 200 to 299 by default)";
        if accepted.shares(&not_taken) {
            return Err(options.error("notTaken", twice));
        }
        if accepted.shares(&refused) || not_taken.shares(&refused) {
            return Err(options.error("refused", twice));
        }
        Ok(Self { accepted, not_taken, refused })
    }
}

impl Listed {
    /// Whether it has this status.
    pub fn has(&self, status: u16) -> bool {
        self.statuses.iter().any(|statuses| statuses.contains(&status))
    }

    fn shares(&self, other: &Self) -> bool {
        (*GOOD.start()..=599).any(|status| self.has(status) && other.has(status))
    }
}

fn take_list(options: &mut Object, name: &str) -> Result<Listed> {
    options.take(name).map_or_else(|| Ok(Listed::default()), |node| read_list(node, *GOOD.start()..=599))
}

fn read_list(node: Node, range: RangeInclusive<u16>) -> Result<Listed> {
    let mut listed = Listed::default();
    for node in node.list(0..=MOST_ENTRIES)? {
        if !node.is_object() {
            let status = node.integer((*range.start()).into()..=(*range.end()).into())?;
            listed.statuses.push(status..=status);
            continue;
        }
        for (path, node) in node.object()?.into_members() {
            if !is_path(&path) {
                return Err(node.error("must be named by a path: names separated by dots"));
            }
            let values = node.list(1..=MOST_ENTRIES)?;
            let value = |node: &Node| {
                node.scalar_or_text().ok_or_else(|| node.error("must be a text, a number, true, false or null"))
            };
            listed.values.push((path, values.iter().map(value).collect::<Result<_>>()?));
        }
    }
    Ok(listed)
}

/// Reads a path in an answer.
///
/// # Errors
///
/// What is none.
pub fn read_path(node: &Node) -> Result<String> {
    node.text_if("a path: names separated by dots", is_path).map(str::to_owned)
}

fn is_path(path: &str) -> bool {
    (1..=PATH_BYTES).contains(&path.len()) && path.split('.').all(|name| !name.is_empty())
}
