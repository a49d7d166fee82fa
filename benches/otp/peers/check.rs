//! The check that people write over Redis: a key with an expiry, and a script that compares and removes. It counts no
//! failures and limits no messages. It is spoken over a bare socket, so that no client library is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use testing::redis::Server;

use super::{Times, time};
use crate::Size;

const VERIFY: &str = "local code = redis.call('GET', KEYS[1]) if not code then return 0 end
    if code ~= ARGV[1] then return 1 end redis.call('DEL', KEYS[1]) return 2";

pub fn run(server: &Server, size: Size) -> Vec<Times> {
    let mut connection = Connection::open(server);
    let script = connection.call(&["SCRIPT", "LOAD", VERIFY]);
    let mut seed = 1_u32;
    let mut draw = || {
        // Which code it is changes nothing here.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{:06}", seed % 1_000_000)
    };
    let mut codes = Vec::new();
    let created = time(size.compared, |item| {
        codes.push(draw());
        assert_eq!(connection.call(&["SET", &format!("otp:{item}"), &codes[item], "EX", "300"]), "OK");
    });
    let mut verify = |key: String, code: &str, expected: &str| {
        assert_eq!(connection.call(&["EVALSHA", &script, "1", &key, code]), expected);
    };
    let guessed = time(size.compared, |item| verify(format!("otp:{item}"), "wrong", "1"));
    let verified = time(size.compared, |item| verify(format!("otp:{item}"), &codes[item], "2"));
    let unknown = time(size.compared, |item| verify(format!("nobody:{item}"), "123456", "0"));
    vec![("create", created), ("verify", verified), ("wrong", guessed), ("unknown", unknown)]
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a server that listens");
        stream.set_nodelay(true).expect("a socket");
        Self(BufReader::new(stream))
    }

    /// One command and its answer: a status, a number or a text.
    fn call(&mut self, words: &[&str]) -> String {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(request.as_bytes()).expect("a server that reads");
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer");
        let (kind, rest) = line.trim_end().split_at(1);
        if kind != "$" {
            assert_ne!(kind, "-", "{rest}");
            return rest.to_owned();
        }
        let mut text = vec![0; rest.parse::<usize>().expect("a length") + 2];
        self.0.read_exact(&mut text).expect("a text");
        text.truncate(text.len() - 2);
        String::from_utf8(text).expect("text")
    }
}
