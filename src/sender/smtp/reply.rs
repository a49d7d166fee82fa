//! What a server says: replies of one or more lines (RFC 5321, 4.2), read strictly. What is none ends the dialogue.

/// Most bytes and lines of a reply.
const MOST_BYTES: usize = 4 * 1024;
const MOST_LINES: usize = 64;

/// A reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its code: 200 to 559.
    pub code: u16,
    /// The texts of its lines.
    pub lines: Vec<String>,
}

/// Why bytes are no reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl Reply {
    /// Takes the first reply of what was read; nothing as long as it is not whole.
    ///
    /// # Errors
    ///
    /// What can be no reply, whatever follows.
    pub fn take(input: &mut Vec<u8>) -> Result<Option<Self>, Malformed> {
        let (mut lines, mut code, mut begin) = (Vec::new(), None, 0);
        while let Some(rest) = input.get(begin..)
            && let Some(end) = rest.iter().position(|byte| *byte == b'\n')
        {
            let line = rest
                .get(..end)
                .and_then(|line| line.strip_suffix(b"\r"))
                .ok_or(Malformed("a line that ends with a line feed alone"))?;
            begin += end + 1;
            let (its_code, is_last, text) = line_parts(line).ok_or(Malformed("a line that is no reply"))?;
            if *code.get_or_insert(its_code) != its_code {
                return Err(Malformed("a reply with two codes"));
            }
            lines.push(text);
            if lines.len() > MOST_LINES || begin > MOST_BYTES {
                return Err(Malformed("a reply that is too long"));
            }
            if is_last {
                input.drain(..begin);
                return Ok(Some(Self { code: its_code, lines }));
            }
        }
        if input.len() > MOST_BYTES { Err(Malformed("a reply that is too long")) } else { Ok(None) }
    }

    /// The first digit of its code: 2 done, 3 go on, 4 not now, 5 no.
    pub fn class(&self) -> u16 {
        self.code / 100
    }

    /// The code with the enhanced one, if there is one (RFC 2034, 4).
    pub fn codes(&self) -> String {
        let enhanced = self.lines.first().and_then(|line| line.split(' ').next()).filter(|word| self.is_enhanced(word));
        enhanced.map_or_else(|| self.code.to_string(), |enhanced| format!("{} {enhanced}", self.code))
    }

    fn is_enhanced(&self, word: &str) -> bool {
        let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<_> = word.split('.').collect();
        matches!(parts[..], [class, subject, detail]
            if class == self.class().to_string() && is_number(subject) && is_number(detail))
    }

    /// Whether a no to RCPT is about the recipient (RFC 3463, 3.2 and 3.3), and not about who asks: a relay that does
    /// not know us refuses everybody.
    pub fn is_about_recipient(&self) -> bool {
        let codes = self.codes();
        let Some((_, enhanced)) = codes.split_once(' ') else { return (550..=553).contains(&self.code) };
        let is_of_sender = matches!(enhanced, "5.1.7" | "5.1.8");
        (enhanced.starts_with("5.1.") || enhanced.starts_with("5.2.")) && !is_of_sender
    }

    /// What it says beside its codes.
    pub fn text(&self) -> String {
        let without = |line: &String| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            if self.is_enhanced(word) { rest.to_owned() } else { line.clone() }
        };
        self.lines.iter().map(without).collect::<Vec<_>>().join(" ")
    }
}

/// The code, whether the line is the last, and the text.
fn line_parts(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    let is_code = matches!(code, [b'2'..=b'5', b'0'..=b'5', b'0'..=b'9']);
    let code = std::str::from_utf8(code).ok()?.parse().ok().filter(|_| is_code)?;
    let (is_last, text) = match rest {
        [] => (true, rest),
        [b' ', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return None,
    };
    let is_text = text.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    is_text.then(|| (code, is_last, String::from_utf8_lossy(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &str) -> Result<Option<(u16, Vec<String>)>, Malformed> {
        let mut input = bytes.as_bytes().to_vec();
        Reply::take(&mut input).map(|reply| reply.map(|reply| (reply.code, reply.lines)))
    }

    #[test]
    fn replies() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(take("250 ok\r\n"), Ok(Some((250, lines(&["ok"])))));
        assert_eq!(take("250\r\n"), Ok(Some((250, lines(&[""])))));
        assert_eq!(take("250-a\r\n250-\r\n250 c\r\n"), Ok(Some((250, lines(&["a", "", "c"])))));
        for whole in ["", "2", "250 ok", "250 ok\r", "250-a\r\n", "250-a\r\n250"] {
            assert_eq!(take(whole), Ok(None), "{whole:?}");
        }
        for bytes in [
            "250 ok\n",
            "25 ok\r\n",
            "\r\n",
            "hello\r\n",
            "250_ok\r\n",
            "2500\r\n",
            "150 x\r\n",
            "650 x\r\n",
            "260 x\r\n",
            "250-a\r\n251 b\r\n",
            "250 a\0b\r\n",
            "250 a\rb\r\n",
            "+50 x\r\n",
            "HTTP/1.1 200 OK\r\n",
        ] {
            assert!(take(bytes).is_err(), "{bytes:?}");
        }
        assert!(take(&"250-x\r\n".repeat(65)).is_err());
        assert!(take(&"2".repeat(4097)).is_err());
        let mut input = b"220 go\r\n250 more\r\n".to_vec();
        assert_eq!(Reply::take(&mut input).unwrap().unwrap().code, 220);
        assert_eq!(input, b"250 more\r\n");
    }

    #[test]
    fn codes() {
        let read = |line: &str| {
            let reply = Reply { code: 550, lines: vec![line.to_owned()] };
            (reply.codes(), reply.text())
        };
        assert_eq!(read("5.1.1 no such user"), ("550 5.1.1".to_owned(), "no such user".to_owned()));
        assert_eq!(read("5.1.1"), ("550 5.1.1".to_owned(), String::new()));
        for line in ["no", "4.1.1 no", "5.1 no", "5.1.1.1 no", "5.1234.1 no", "5.a.1 no", ""] {
            assert_eq!(read(line), ("550".to_owned(), line.to_owned()));
        }
    }
    #[test]
    fn what_is_about_the_recipient() {
        for (code, line, expected) in [
            (550, "5.1.1 no such user", true),
            (552, "5.2.2 full", true),
            (550, "no such user", true),
            (553, "", true),
            (550, "5.7.1 relaying denied", false),
            (550, "5.1.8 who are you", false),
            (530, "5.7.0 first AUTH", false),
            (503, "order", false),
            (554, "no", false),
        ] {
            let reply = Reply { code, lines: vec![line.to_owned()] };
            assert_eq!(reply.is_about_recipient(), expected, "{code} {line}");
        }
    }
}
