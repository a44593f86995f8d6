//! Sends metrics to the deployment server: HTTPS, our authority alone, no redirection, no proxy.
use crate::config::{Push, read_bounded, read_token};
use crate::error::Failure;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, config::Config};

const DEADLINE: Duration = Duration::from_secs(10);
const HTTPS_PORT: u16 = 443;

/// What the server says about a refusal, at most.
const MAXIMUM_ANSWER_BYTES: u64 = 1024;

/// A connection to the server that is kept from push to push, so that a thousand agents cost it no
/// thousand handshakes each time.
pub struct Pusher {
    agent: Agent,
    url: String,
}

impl Pusher {
    /// Reads the authority.
    ///
    /// # Errors
    /// The file cannot be read or holds no certificate.
    pub fn open(push: &Push) -> Result<Self, Failure> {
        let path = &push.authority;
        let pem = read_bounded(path)?;
        let certificates: Vec<Certificate<'static>> = parse_pem(pem.as_bytes())
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            let reason = "it holds no certificate".to_owned();
            return Err(Failure::Configuration { path: path.clone(), reason });
        }
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&certificates))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .max_idle_connections(1)
            .max_idle_age(push.interval() * 2)
            .user_agent(concat!("purlin-bm-agent/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), AddressOnly);
        Ok(Self { agent, url: push.url() })
    }

    /// Sends `text`.
    ///
    /// # Errors
    /// The token cannot be read, the server cannot be reached or is not the one that the authority
    /// vouches for, or it refuses; the message says which.
    pub fn push(&self, push: &Push, text: &str) -> Result<(), Failure> {
        let token = read_token(&push.token_file)?;
        let failed = |reason: String| Failure::Push(format!("{}: {reason}", self.url));
        let answer = self
            .agent
            .post(&self.url)
            .header("Authorization", format!("Bearer {token}"))
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .send(text)
            .map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let body =
            answer.into_body().into_with_config().limit(MAXIMUM_ANSWER_BYTES).read_to_string();
        if status.is_success() {
            return Ok(());
        }
        let said: String = body.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
        Err(failed(format!("the server answers {} {said}", status.as_u16())))
    }
}

/// Takes addresses as they are. The C library's name service cannot be used by a static program.
#[derive(Debug)]
struct AddressOnly;

impl Resolver for AddressOnly {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let address: IpAddr = host.parse().map_err(|_| ureq::Error::HostNotFound)?;
        let mut found = self.empty();
        found.push(SocketAddr::new(address, uri.port_u16().unwrap_or(HTTPS_PORT)));
        Ok(found)
    }
}
