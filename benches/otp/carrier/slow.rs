//! Carriers that would keep a call for ever.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Between two bytes that trickle.
const PAUSE: Duration = Duration::from_millis(20);

/// What one does with a connection, until the client gives it up.
type Habit = fn(TcpStream) -> std::io::Result<()>;

const HABITS: [Habit; 4] = [
    // Reads, and says nothing.
    |mut stream| std::io::copy(&mut stream, &mut std::io::sink()).map(drop),
    |stream| trickle(stream, b""),
    |stream| trickle(stream, b"HTTP/1.1 202 Accepted\r\nx: "),
    |stream| trickle(stream, b"HTTP/1.1 202 Accepted\r\ncontent-length: 60000\r\n\r\n"),
];

/// Sends this at once, and then what never comes to an end.
fn trickle(mut stream: TcpStream, begin: &[u8]) -> std::io::Result<()> {
    if stream.read(&mut [0; 4096])? > 0 {
        stream.write_all(begin)?;
    }
    loop {
        thread::sleep(PAUSE);
        stream.write_all(b"x")?;
    }
}

/// Starts one of each; and one whose queue is full, so that no connection comes about.
pub fn start() -> Vec<Slow> {
    let habits = HABITS.into_iter().map(|habit| {
        let listener = listener();
        let address = listener.local_addr().expect("the port");
        // It ends with the process.
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(habit(stream))));
        Slow { address, _queue: None }
    });
    habits.chain([full()]).collect()
}

/// A carrier to be slow.
pub struct Slow {
    pub address: SocketAddr,
    /// What fills its queue.
    _queue: Option<(TcpListener, Vec<TcpStream>)>,
}

fn full() -> Slow {
    let listener = listener();
    let address = listener.local_addr().expect("the port");
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
    let waiting = (0..10_000).map_while(connect).collect();
    Slow { address, _queue: Some((listener, waiting)) }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port on loopback")
}
