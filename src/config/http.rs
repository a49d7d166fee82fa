//! The options of sender `http`: where its requests go, what they hold, and what answers mean.
//!
//! Whatever a request of a visitor brings stands in leaf texts, path and query alone, encoded for its place. Host and
//! headers are as they are written here.

mod answers;
mod template;
mod tree;
mod url;

use zeroize::Zeroizing;

use super::secret;
use crate::error::Result;
use crate::strict::{self, Node, Object};

pub use answers::{Answers, Listed};
pub use template::{Piece, Placeholder, Template};
pub use tree::{ByLocale, Tree};
pub use url::HttpUrl;

/// Most headers.
const MOST_HEADERS: usize = 16;

/// Longest value of a header, in bytes; a signed token may have some thousand.
const HEADER_BYTES: usize = 4096;

/// Headers that are the client's own: others would change where a request ends, or what comes back.
const OWN_HEADERS: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// The default.
    Post,
    /// Replaces.
    Put,
    /// Has no body.
    Get,
}

/// What a request holds beside its URL.
pub enum HttpBody {
    /// JSON.
    Json(Tree),
    /// A form, as browsers send it.
    Form(Tree),
    /// No body: all of it stands in the URL.
    Query(Tree),
}

impl HttpBody {
    /// The tree in it.
    pub fn tree(&self) -> &Tree {
        let (HttpBody::Json(tree) | HttpBody::Form(tree) | HttpBody::Query(tree)) = self;
        tree
    }
}

/// Name and value.
pub type Header = (String, Zeroizing<String>);

/// Any carrier, as it is configured.
pub struct HttpConfig {
    /// Where requests go.
    pub url: HttpUrl,
    /// How they are made.
    pub method: HttpMethod,
    /// What their heads have, in lower case; `authorization` may be among them.
    pub headers: Vec<Header>,
    /// The name and password.
    pub basic: Option<(String, Zeroizing<String>)>,
    /// The token.
    pub bearer: Option<Zeroizing<String>>,
    /// What they hold.
    pub body: HttpBody,
    /// What answers mean.
    pub answers: Answers,
    /// Where in an answer the identifier of the message stands.
    pub message_id: Option<String>,
}

impl HttpConfig {
    /// Takes the options.
    ///
    /// # Errors
    ///
    /// What is missing or malformed.
    pub fn read(options: &mut Object) -> Result<Self> {
        let url = HttpUrl::read(&secret::need(options, "url")?)?;
        let body = read_body(options)?;
        let method = read_method(options, &body)?;
        let basic = options.take("basic").map(read_basic).transpose()?;
        let bearer = secret::take(options, "bearer")?;
        if let (Some(_), Some(bearer)) = (&basic, &bearer) {
            return Err(bearer.error("not possible together with basic"));
        }
        let bearer = bearer.map(|node| read_visible(&node)).transpose()?;
        let headers = match options.take("headers") {
            Some(node) => read_headers(node, basic.is_some() || bearer.is_some())?,
            None => Vec::new(),
        };
        let answers = Answers::read(options)?;
        let message_id = options.take("messageId").map(|node| answers::read_path(&node)).transpose()?;
        Ok(Self { url, method, headers, basic, bearer, body, answers, message_id })
    }

    /// What is allowed and yet not advisable about it.
    pub fn warning(&self) -> Option<&'static str> {
        if self.url.target.has(&Placeholder::may_hold_code) {
            return Some("url: has the code: servers and proxies write URLs into logs");
        }
        let in_query = matches!(&self.body, HttpBody::Query(tree) if tree.has(&Placeholder::may_hold_code));
        in_query.then_some("query: has the code: servers and proxies write URLs into logs")
    }

    /// Whether requests have the step's `from` in them.
    pub fn needs_from(&self) -> bool {
        self.has(&|it| *it == Placeholder::From)
    }

    /// Whether a report can name a message of it.
    pub fn can_be_reported(&self) -> bool {
        self.message_id.is_some() || self.has(&|it| *it == Placeholder::Ref)
    }

    fn has(&self, wanted: &dyn Fn(&Placeholder) -> bool) -> bool {
        self.url.target.has(wanted) || self.body.tree().has(wanted)
    }
}

fn read_body(options: &mut Object) -> Result<HttpBody> {
    let mut found: Option<(&str, Node)> = None;
    for name in ["json", "form", "query"] {
        match (options.take(name), &found) {
            (Some(node), Some((other, _))) => return Err(node.error(&format!("not possible together with {other}"))),
            (Some(node), None) => found = Some((name, node)),
            (None, _) => {}
        }
    }
    let Some((name, node)) = found else { return Err(options.error("json", "missing, and so are form and query")) };
    let missing = node.error("must hold {text}, {code} or {digits}");
    let body = match name {
        "json" => HttpBody::Json(Tree::read(node)?),
        "form" => HttpBody::Form(Tree::read_fields(node)?),
        _ => HttpBody::Query(Tree::read_fields(node)?),
    };
    if body.tree().always_has(&Placeholder::is_code) { Ok(body) } else { Err(missing) }
}

fn read_method(options: &mut Object, body: &HttpBody) -> Result<HttpMethod> {
    let Some(node) = options.take("method") else { return Ok(HttpMethod::Post) };
    let method = node.choice(&[("POST", HttpMethod::Post), ("PUT", HttpMethod::Put), ("GET", HttpMethod::Get)])?;
    match (method, body) {
        (HttpMethod::Get, HttpBody::Json(_) | HttpBody::Form(_)) => Err(node.error("GET has no body: it needs query")),
        _ => Ok(method),
    }
}

fn read_basic(node: Node) -> Result<(String, Zeroizing<String>)> {
    let mut pair = node.object()?;
    let user = secret::need(&mut pair, "user")?;
    // In basic authentication a colon ends the user's name.
    let user = user.text_if("1 to 4096 visible ASCII characters without a colon", |text| {
        is_visible(text) && !text.contains(':')
    })?;
    let user = user.to_owned();
    let password = read_visible(&secret::need(&mut pair, "password")?)?;
    pair.finish()?;
    Ok((user, password))
}

fn is_visible(text: &str) -> bool {
    strict::is_visible_ascii(text) && text.len() <= HEADER_BYTES
}

fn read_visible(node: &Node) -> Result<Zeroizing<String>> {
    let text = node.text_if(&format!("1 to {HEADER_BYTES} visible ASCII characters"), is_visible)?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn read_headers(node: Node, is_authorized: bool) -> Result<Vec<Header>> {
    let too_many = node.error(&format!("must have at most {MOST_HEADERS} members"));
    let members = node.object()?.into_members();
    if members.len() > MOST_HEADERS {
        return Err(too_many);
    }
    let mut headers: Vec<Header> = Vec::with_capacity(members.len());
    for (name, node) in members {
        let name = name.to_ascii_lowercase();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_token) {
            return Err(node.error("not the name of a header"));
        }
        if OWN_HEADERS.contains(&name.as_str()) || name.starts_with("proxy-") {
            return Err(node.error("set by the client itself"));
        }
        if is_authorized && name == "authorization" {
            return Err(node.error("not possible together with basic or bearer"));
        }
        if headers.iter().any(|(other, _)| *other == name) {
            return Err(node.error("repeated in another spelling"));
        }
        headers.push((name, read_header(node)?));
    }
    Ok(headers)
}

/// A value, which is a text as it stands: no placeholder is filled in.
fn read_header(node: Node) -> Result<Zeroizing<String>> {
    let (node, is_secret) = secret::resolve_noting(node)?;
    let valid = |text: &str| text.len() <= HEADER_BYTES && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let text = node.text_if("printable ASCII without control characters", valid)?;
    let text = match is_secret {
        true => Zeroizing::new(text.to_owned()),
        false => {
            let template = Template::parse(text).map_err(|cause| node.error(cause))?;
            template.literal().ok_or_else(|| node.error("a placeholder may not stand in a header"))?
        }
    };
    if text.trim() == text.as_str() { Ok(text) } else { Err(node.error("must not begin or end with a space")) }
}
