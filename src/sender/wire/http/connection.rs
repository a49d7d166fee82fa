//! A connection: TCP, and TLS where the URL asks for it.
//!
//! ureq's own TLS lacks two things. It hides a write that fails, so that a body is asked for after a head
//! that never left, and a message that was certainly not sent looks like one that may have been. And it takes an end
//! without TLS's own notice for the end of an answer.

use std::cell::Cell;
use std::fmt;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, TcpConnector, Transport, TransportAdapter,
};

thread_local! {
    /// Whether this thread's request has begun to leave. ureq works on the thread that calls it.
    static HAS_SENT: Cell<bool> = const { Cell::new(false) };
}

/// A request of this thread begins.
pub fn begin() {
    HAS_SENT.set(false);
}

/// Whether a byte of it may have left.
pub fn has_sent() -> bool {
    HAS_SENT.get()
}

/// Makes connections.
pub struct HttpConnections {
    /// What TLS trusts and speaks.
    pub tls: Arc<ClientConfig>,
    /// Plain TCP.
    pub tcp: TcpConnector,
}

impl HttpConnections {
    fn open(&self, details: &ConnectionDetails<'_>) -> Result<HttpConnection, Error> {
        let Some(Either::B(tcp)) = Connector::<()>::connect(&self.tcp, details, None)? else {
            return Err(Error::ConnectionFailed);
        };
        if !details.needs_tls() {
            return Ok(HttpConnection::Plain(tcp.boxed()));
        }
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host).map_err(|_| Error::Tls("not a name for a certificate"))?;
        let mut session = ClientConnection::new(self.tls.clone(), name.to_owned()).map_err(Error::from_tls)?;
        let mut stream = TransportAdapter::new(tcp.boxed(), details.current_time.clone());
        stream.set_timeout(left(details));
        session.complete_io(&mut stream)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(HttpConnection::Tls { stream: Box::new(StreamOwned::new(session, stream)), buffers })
    }
}

/// What TCP left of the time for connecting.
fn left(details: &ConnectionDetails<'_>) -> NextTimeout {
    let after = match (details.timeout.after, (details.current_time)(), details.now) {
        (Duration::Exact(after), Instant::Exact(now), Instant::Exact(begun)) => {
            Duration::Exact(after.saturating_sub(now.saturating_duration_since(begun)))
        }
        (after, ..) => after,
    };
    NextTimeout { after, ..details.timeout }
}

/// An error of TLS that ureq has no variant for in this build.
trait FromTls {
    fn from_tls(cause: rustls::Error) -> Self;
}

impl FromTls for Error {
    fn from_tls(cause: rustls::Error) -> Self {
        Self::Other(Box::new(cause))
    }
}

impl Connector for HttpConnections {
    type Out = HttpConnection;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<HttpConnection>, Error> {
        self.open(details).map(Some)
    }
}

impl fmt::Debug for HttpConnections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HttpConnections")
    }
}

/// A connection to the carrier.
pub enum HttpConnection {
    Plain(Box<dyn Transport>),
    Tls { stream: Box<StreamOwned<ClientConnection, TransportAdapter>>, buffers: LazyBuffers },
}

impl Transport for HttpConnection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        match self {
            Self::Plain(transport) => transport.buffers(),
            Self::Tls { buffers, .. } => buffers,
        }
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        HAS_SENT.set(true);
        match self {
            Self::Plain(transport) => transport.transmit_output(amount, timeout),
            Self::Tls { stream, buffers } => {
                stream.get_mut().set_timeout(timeout);
                let (output, _) = buffers.output().split_at_checked(amount).unwrap_or_default();
                stream.write_all(output)?;
                // Writing hides errors of the socket; this does not.
                Ok(stream.flush()?)
            }
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        match self {
            Self::Plain(transport) => transport.await_input(timeout),
            Self::Tls { stream, buffers } => {
                stream.get_mut().set_timeout(timeout);
                let amount = stream.read(buffers.input_append_buf()).map_err(cut_short)?;
                buffers.input_appended(amount);
                Ok(amount > 0)
            }
        }
    }

    fn is_open(&mut self) -> bool {
        match self {
            Self::Plain(transport) => transport.is_open(),
            Self::Tls { stream, .. } => stream.get_mut().get_mut().is_open(),
        }
    }

    fn is_tls(&self) -> bool {
        matches!(self, Self::Tls { .. })
    }
}

/// An end without TLS's own notice may be somebody else's. ureq would take it for the end of an answer.
fn cut_short(cause: io::Error) -> io::Error {
    match cause.kind() {
        ErrorKind::UnexpectedEof => io::Error::new(ErrorKind::InvalidData, "closed without notice"),
        _ => cause,
    }
}

impl fmt::Debug for HttpConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HttpConnection")
    }
}
