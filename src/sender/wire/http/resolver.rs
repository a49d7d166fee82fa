//! Host names to addresses, for ureq: its own resolver would panic where a thread cannot be started.

use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::names::{MAX_ADDRESSES, Names};

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let is_https = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let found = self.find(uri.host().unwrap_or_default(), port, *timeout.after);
        let mut addresses = found.map_err(|cause| ureq::Error::Other(cause.into()))?;
        // Without TLS nothing may leave the machine, whatever the system says that localhost is.
        let is_found = !addresses.is_empty();
        addresses.retain(|address| is_https || address.ip().is_loopback());
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() {
            let cause = if is_found { "not this machine, and http:// is for it alone" } else { "host not found" };
            return Err(ureq::Error::Other(cause.into()));
        }
        let mut resolved = self.empty();
        addresses.into_iter().for_each(|address| resolved.push(address));
        Ok(resolved)
    }
}
