//! A proxy that counts requests, and cuts the connection at the one that a test names.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the request reaches the server.
    Before,
    /// After the server has done it, before its answer.
    After,
    /// The same, and the connection stays open.
    Silence,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Requests until the cut.
    cut: Mutex<Option<(usize, Cut)>>,
}

/// Stands before a server of this machine.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    state: Arc<State>,
}

impl Proxy {
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, state) = (listener.local_addr().unwrap().port(), Arc::<State>::default());
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server))) else { continue };
                let state = shared.clone();
                state.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || carry(client, server, &state));
            }
        });
        Self { port, state }
    }

    /// Requests so far: every one is a round trip.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Whether the cut is still to come.
    pub fn is_to_cut(&self) -> bool {
        self.state.cut.lock().unwrap().is_some()
    }

    /// Cuts at the request after so many.
    pub fn cut(&self, after: usize, cut: Cut) {
        *self.state.cut.lock().unwrap() = Some((after, cut));
    }

    pub fn mend(&self) {
        *self.state.cut.lock().unwrap() = None;
    }
}

impl State {
    fn next(&self) -> Option<Cut> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mut cut = self.cut.lock().unwrap();
        match &mut *cut {
            Some((0, _)) => cut.take().map(|(_, cut)| cut),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }
}

/// Clients of ours send a request in one piece.
fn carry(mut client: TcpStream, mut server: TcpStream, state: &State) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let cut = Arc::new(Mutex::new(None));
    let (back, told) = ((server.try_clone().unwrap(), client.try_clone().unwrap()), cut.clone());
    let answers = thread::spawn(move || carry_back(back, &told));
    let mut bytes = vec![0; 1 << 20];
    while let Ok(size @ 1..) = client.read(&mut bytes) {
        *cut.lock().unwrap() = state.next();
        if *cut.lock().unwrap() == Some(Cut::Before) || server.write_all(&bytes[..size]).is_err() {
            break;
        }
    }
    let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    answers.join().unwrap();
}

fn carry_back((mut server, mut client): (TcpStream, TcpStream), cut: &Mutex<Option<Cut>>) {
    let mut bytes = vec![0; 1 << 20];
    while let Ok(size @ 1..) = server.read(&mut bytes) {
        let cut = *cut.lock().unwrap();
        match cut {
            None if client.write_all(&bytes[..size]).is_ok() => {}
            // Until the client gives up.
            Some(Cut::Silence) => {}
            _ => break,
        }
    }
    let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
}
