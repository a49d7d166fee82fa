//! A connection: TCP, TLS where the URL asks for it, and the knowledge whether a body may have left.

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

use super::Unsent;

/// Makes connections. Every error is marked as one before any byte of a request.
pub struct Lines {
    /// What TLS trusts and speaks.
    pub tls: Arc<ClientConfig>,
    /// Plain TCP.
    pub tcp: TcpConnector,
}

impl Lines {
    fn open(&self, details: &ConnectionDetails<'_>) -> Result<Line, Error> {
        let Some(Either::B(tcp)) = Connector::<()>::connect(&self.tcp, details, None)? else {
            return Err(Error::ConnectionFailed);
        };
        if !details.needs_tls() {
            return Ok(Line::new(Wire::Plain(tcp.boxed())));
        }
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host).map_err(|_| Error::Tls("not a name for a certificate"))?;
        let mut session = ClientConnection::new(self.tls.clone(), name.to_owned()).map_err(Error::from_tls)?;
        let mut stream = TransportAdapter::new(tcp.boxed(), details.current_time.clone());
        stream.set_timeout(left(details));
        session.complete_io(&mut stream)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Line::new(Wire::Tls { stream: Box::new(StreamOwned::new(session, stream)), buffers }))
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

impl Connector for Lines {
    type Out = Line;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Line>, Error> {
        Ok(Some(self.open(details).map_err(Unsent::from)?))
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lines")
    }
}

/// A connection that tells an error before the first byte of a body from a later one.
pub struct Line {
    wire: Wire,
    /// Whether nothing of the current request was handed to the wire yet.
    is_fresh: bool,
}

enum Wire {
    Plain(Box<dyn Transport>),
    Tls { stream: Box<StreamOwned<ClientConnection, TransportAdapter>>, buffers: LazyBuffers },
}

impl Line {
    fn new(wire: Wire) -> Self {
        Self { wire, is_fresh: true }
    }
}

impl Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        match self {
            Self::Plain(transport) => transport.buffers(),
            Self::Tls { buffers, .. } => buffers,
        }
    }

    fn transmit(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
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
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.wire.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        // ureq hands over the head by itself. Whatever comes later, or does not end like a head, may be the body;
        // and a carrier without the body has no message to take.
        let output = self.wire.buffers().output();
        let is_head = self.is_fresh && output.get(..amount).is_some_and(|output| output.ends_with(b"\r\n\r\n"));
        self.is_fresh = false;
        let sent = self.wire.transmit(amount, timeout);
        if is_head { sent.map_err(|cause| Unsent::from(cause).into()) } else { sent }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.is_fresh = true;
        match &mut self.wire {
            Wire::Plain(transport) => transport.await_input(timeout),
            Wire::Tls { stream, buffers } => {
                stream.get_mut().set_timeout(timeout);
                let amount = stream.read(buffers.input_append_buf()).map_err(cut_short)?;
                buffers.input_appended(amount);
                Ok(amount > 0)
            }
        }
    }

    fn is_open(&mut self) -> bool {
        match &mut self.wire {
            Wire::Plain(transport) => transport.is_open(),
            Wire::Tls { stream, .. } => stream.get_mut().get_mut().is_open(),
        }
    }

    fn is_tls(&self) -> bool {
        matches!(self.wire, Wire::Tls { .. })
    }
}

/// An end without TLS's own notice may be somebody else's. ureq would take it for the end of an answer.
fn cut_short(cause: io::Error) -> io::Error {
    match cause.kind() {
        ErrorKind::UnexpectedEof => io::Error::new(ErrorKind::InvalidData, "closed without notice"),
        _ => cause,
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Line")
    }
}

#[cfg(test)]
mod tests;
