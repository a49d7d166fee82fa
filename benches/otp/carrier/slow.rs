//! Carriers that would keep a call for ever.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use simulator::script::{Peer, Script, Server, serve};

/// Between two bytes that trickle.
const PAUSE: Duration = Duration::from_millis(20);

const HABITS: [Script; 4] = [
    // Reads, and says nothing.
    |peer, _| peer.wait(),
    |peer, _| trickle(peer, ""),
    |peer, _| trickle(peer, "HTTP/1.1 202 Accepted\r\nx: "),
    |peer, _| trickle(peer, "HTTP/1.1 202 Accepted\r\ncontent-length: 60000\r\n\r\n"),
];

/// Sends this at once, and then what never comes to an end.
fn trickle(peer: &mut Peer, begin: &str) {
    let mut is_there = peer.request().is_some() && peer.send(begin);
    while is_there {
        thread::sleep(PAUSE);
        is_there = peer.send("x");
    }
}

/// Starts one of each; and one whose queue is full, so that no connection comes about.
pub fn start() -> Vec<Slow> {
    let habits = HABITS.into_iter().map(|habit| {
        let server = serve(habit);
        Slow { address: (Ipv4Addr::LOCALHOST, server.port).into(), _serving: Some(server), _queue: None }
    });
    habits.chain([full()]).collect()
}

/// A carrier to be slow.
pub struct Slow {
    pub address: SocketAddr,
    _serving: Option<Server>,
    /// What fills its queue.
    _queue: Option<(TcpListener, Vec<TcpStream>)>,
}

fn full() -> Slow {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
    let address = listener.local_addr().expect("the port");
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok();
    let waiting = (0..10_000).map_while(connect).collect();
    Slow { address, _serving: None, _queue: Some((listener, waiting)) }
}
