//! Which errors are certain: those before any byte of a body.

use super::*;
use ureq::config::Config;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

/// Takes so many transmissions and refuses the next.
#[derive(Debug)]
struct Breaks {
    after: usize,
    buffers: LazyBuffers,
}

#[derive(Debug)]
struct Broken(usize);

impl Connector for Broken {
    type Out = Breaks;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> std::result::Result<Option<Breaks>, ureq::Error> {
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Breaks { after: self.0, buffers }))
    }
}

impl Transport for Breaks {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> std::result::Result<(), ureq::Error> {
        self.after = self.after.checked_sub(1).ok_or_else(|| io::Error::from(ErrorKind::BrokenPipe))?;
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> std::result::Result<bool, ureq::Error> {
        Err(io::Error::from(ErrorKind::ConnectionReset).into())
    }

    fn is_open(&mut self) -> bool {
        true
    }
}

/// What an error means after so many transmissions, of a request whose body takes several, and whether the body was
/// asked whether it may leave.
fn posted(after: usize) -> (NoReply, bool) {
    let http = Http::new("http://127.0.0.1:1");
    let config = Config::builder().input_buffer_size(1024).output_buffer_size(1024).build();
    *lock(&http.agent) = Some(Agent::with_parts(config, Broken(after), DefaultResolver::default()));
    let (mut asked, deadline) = (false, Instant::now() + Duration::from_secs(60));
    let body = vec![b' '; 3000];
    let headers = [("authorization", "secret"), ("content-type", "application/json")];
    let request = HttpRequest { method: Method::POST, target: "/", headers: &headers, body: &body };
    let answer = http.send(&request, deadline, &mut || {
        asked = true;
        true
    });
    (answer.err().expect("no answer"), asked)
}

#[test]
fn only_a_head_that_fails_is_certain() {
    for after in 0..6 {
        let (failure, asked) = posted(after);
        match failure {
            NoReply::Unsent { is_passing, .. } => assert!(after == 0 && is_passing && !asked, "{after}"),
            NoReply::Lost { .. } => assert!(after > 0 && asked, "{after}"),
        }
    }
}
