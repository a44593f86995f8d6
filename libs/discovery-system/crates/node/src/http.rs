//! The deployment server: reports, orders, files, and downloads that go on where they broke off.

use std::fs;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ureq::http::{StatusCode, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body};

use crate::failure::{Failure, Tried};

const CONNECT: Duration = Duration::from_secs(5);
/// The server answers a question for orders within 30 s.
const ANSWER: Duration = Duration::from_secs(45);
const READ: Duration = Duration::from_secs(30);
/// Waits between attempts; a server that restarts is back before the last.
const PAUSES_S: [u64; 9] = [1, 1, 2, 4, 8, 15, 30, 30, 30];
const BODY_MAX_BYTES: u64 = 4 << 20;
const REASON_MAX_BYTES: u64 = 1 << 10;

/// How a request ended without an answer of use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The server answered and said no; asking again would change nothing.
    #[error("{0}")]
    Refused(String),
    /// Nobody answered, or not to the end.
    #[error("{0}")]
    Unreachable(String),
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        Self(error.to_string())
    }
}

/// Speaks HTTP, and HTTPS with the one authority that was given.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    pauses: &'static [u64],
}

impl Client {
    /// A client that trusts the certificates in `authority` (PEM) alone; without them HTTPS fails.
    ///
    /// # Errors
    /// When the text holds no certificate.
    pub fn new(authority: Option<&[u8]>) -> Result<Self, Failure> {
        let mut roots = Vec::new();
        for item in authority.into_iter().flat_map(ureq::tls::parse_pem) {
            if let PemItem::Certificate(certificate) =
                item.tried(|| "reading the authority's certificate".to_owned())?
            {
                roots.push(certificate);
            }
        }
        if authority.is_some() && roots.is_empty() {
            return Err(Failure::new("the authority's file holds no certificate"));
        }
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(READ))
            .timeout_per_write(Some(READ))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), AddressOnly);
        Ok(Self { agent, pauses: &PAUSES_S })
    }

    /// The client of this system: with the authority that the server sent beside it, if any.
    ///
    /// # Errors
    /// As `new`.
    pub fn of_system() -> Result<Self, Failure> {
        Self::new(fs::read("/etc/purlin/ca.pem").ok().as_deref())
    }

    /// Posts JSON (or nothing); tries again while nobody answers.
    ///
    /// # Errors
    /// Refused, or unreachable until the last attempt.
    pub fn post(&self, url: &str, json: &str) -> Result<(), RequestError> {
        self.again(|| {
            let request = self.agent.post(url).header("content-type", "application/json");
            answer(request.send(json)).map_err(|error| named("POST", url, &error)).map(|_| ())
        })
    }

    /// Reads a text of at most 4 MiB; tries again while nobody answers.
    ///
    /// # Errors
    /// Refused, or unreachable until the last attempt.
    pub fn get(&self, url: &str) -> Result<String, RequestError> {
        self.again(|| self.get_once(url))
    }

    /// [`Client::get`] with one attempt.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub fn get_once(&self, url: &str) -> Result<String, RequestError> {
        let body = answer(self.agent.get(url).call()).map_err(|error| named("GET", url, &error))?;
        let mut body = body;
        let text = body.with_config().limit(BODY_MAX_BYTES).read_to_string();
        text.map_err(|error| RequestError::Unreachable(format!("GET {}: {error}", shown(url))))
    }

    /// Opens a download that goes on after a broken connection.
    #[must_use]
    pub fn download(&self, url: &str) -> Download {
        Download { client: self.clone(), url: url.to_owned(), body: None, position: 0, failures: 0 }
    }

    fn again<T>(&self, attempt: impl Fn() -> Result<T, RequestError>) -> Result<T, RequestError> {
        for pause in self.pauses {
            match attempt() {
                Err(RequestError::Unreachable(_)) => thread::sleep(Duration::from_secs(*pause)),
                other => return other,
            }
        }
        attempt()
    }
}

/// The body of a good answer. The server's own trouble (5xx) is as no answer.
fn answer(response: Result<ureq::http::Response<Body>, ureq::Error>) -> Result<Body, RequestError> {
    let response = response.map_err(|error| RequestError::Unreachable(error.to_string()))?;
    let status = response.status();
    let mut body = response.into_body();
    if status.is_success() {
        return Ok(body);
    }
    let reason = body.with_config().limit(REASON_MAX_BYTES).read_to_string().unwrap_or_default();
    let message = format!("answered {status}: {}", crate::exec::tail(&reason));
    let may_pass = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    Err(if may_pass { RequestError::Unreachable(message) } else { RequestError::Refused(message) })
}

fn named(method: &str, url: &str, error: &RequestError) -> RequestError {
    let message = format!("{method} {}: {error}", shown(url));
    match error {
        RequestError::Refused(_) => RequestError::Refused(message),
        RequestError::Unreachable(_) => RequestError::Unreachable(message),
    }
}

/// The address without the boot token, which is a secret and no use to whoever reads a console.
fn shown(url: &str) -> String {
    let Some((before, after)) = url.split_once("/node/") else { return url.to_owned() };
    let rest = after.split_once('/').map_or("", |(_, rest)| rest);
    format!("{before}/node/…/{rest}")
}

/// Addresses alone are reached: a static program looks up no names.
#[derive(Debug)]
struct AddressOnly;

impl Resolver for AddressOnly {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &ureq::config::Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or("").trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = host.parse().map_err(|_| ureq::Error::HostNotFound)?;
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let mut addresses = self.empty();
        addresses.push(SocketAddr::new(address, uri.port_u16().unwrap_or(default)));
        Ok(addresses)
    }
}

/// The bytes of a file. When the connection breaks it asks for the rest, so that a server may
/// restart meanwhile; whoever reads checks the sum of all bytes, which also finds a file that was
/// exchanged between two attempts.
#[allow(missing_debug_implementations, reason = "a body has none")]
pub struct Download {
    client: Client,
    url: String,
    body: Option<ureq::BodyReader<'static>>,
    position: u64,
    failures: usize,
}

impl Download {
    fn open(&self) -> Result<ureq::BodyReader<'static>, RequestError> {
        let mut request = self.client.agent.get(&self.url);
        if self.position > 0 {
            request = request.header("range", format!("bytes={}-", self.position));
        }
        let response = request.call();
        let is_part = response
            .as_ref()
            .is_ok_and(|response| response.status() == StatusCode::PARTIAL_CONTENT);
        let body = answer(response).map_err(|error| named("GET", &self.url, &error))?;
        if self.position > 0 && !is_part {
            let message = format!("GET {}: the server sends no ranges", shown(&self.url));
            return Err(RequestError::Refused(message));
        }
        Ok(body.into_with_config().limit(u64::MAX).reader())
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let attempt = match self.body.as_mut() {
                Some(body) => body.read(buffer).map_err(|error| {
                    let message = format!("GET {}: {error}", shown(&self.url));
                    RequestError::Unreachable(message)
                }),
                None => match self.open() {
                    Ok(body) => {
                        self.body = Some(body);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match attempt {
                Ok(count) => {
                    self.position += count as u64;
                    if count > 0 {
                        self.failures = 0;
                    }
                    return Ok(count);
                }
                Err(RequestError::Unreachable(_)) if self.failures < self.client.pauses.len() => {
                    self.body = None;
                    thread::sleep(Duration::from_secs(self.client.pauses[self.failures]));
                    self.failures += 1;
                }
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
    }
}
