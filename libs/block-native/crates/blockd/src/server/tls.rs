//! TLS 1.3 of TCP listeners.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Files of a listener, in PEM.
#[derive(Debug, Clone, Copy)]
pub struct TlsFiles<'a> {
    /// The certificate with the chain to its root.
    pub certificate: &'a Path,
    /// Its private key.
    pub key: &'a Path,
    /// Who signs clients' certificates; without it any client may connect.
    pub client_authority: Option<&'a Path>,
}

/// Reads the files.
///
/// # Errors
/// What is wrong with which of them.
pub fn load(files: &TlsFiles<'_>) -> io::Result<Arc<ServerConfig>> {
    let chain = certificates(files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(files.key)
        .map_err(|error| bad(files.key, &error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?;
    let builder = match files.client_authority {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| bad(path, &error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| bad(path, &error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|error| bad(files.certificate, &error.to_string()))?;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| bad(path, &error.to_string()))?
        .collect();
    found.map_err(|error| bad(path, &error.to_string()))
}

fn bad(path: &Path, reason: &str) -> io::Error {
    io::Error::other(format!("cannot use {} for TLS: {reason}", path.display()))
}
