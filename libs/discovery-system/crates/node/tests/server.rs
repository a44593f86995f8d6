//! The client against servers that break off, restart, refuse, and are somebody else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use purlin_node::http::{Client, RequestError};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Serves one connection after the other with what `answer` makes of its head.
fn serve(answer: impl Fn(usize, &str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let head = read_head(&mut stream);
            stream.write_all(&answer(count, &head)).unwrap();
        }
    });
    format!("http://{address}/node/secret-token")
}

fn read_head(stream: &mut impl Read) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap() > 2 {}
    head
}

fn whole(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
    [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let content: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let expected = content.clone();
    let url = serve(move |_, head| {
        let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
        let start: usize =
            range.map_or(0, |range| range.trim().trim_end_matches('-').parse().unwrap());
        let rest = &content[start..];
        let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
        let mut answer = whole(status, rest);
        // Each answer ends 40,000 bytes after its head, whatever was promised.
        let head_bytes = answer.len() - rest.len();
        answer.truncate(head_bytes + 40_000);
        answer
    });
    let mut read = Vec::new();
    Client::new(None).unwrap().download(&url).read_to_end(&mut read).unwrap();
    assert_eq!(read, expected);
}

#[test]
fn a_server_without_ranges_is_an_error_and_not_a_second_beginning() {
    let url = serve(|_, _| {
        let mut answer = whole("200 OK", &[7; 1000]);
        answer.truncate(answer.len() - 500);
        answer
    });
    let mut read = Vec::new();
    let error = Client::new(None).unwrap().download(&url).read_to_end(&mut read).unwrap_err();
    assert!(error.to_string().contains("no ranges"), "{error}");
}

#[test]
fn a_refusal_is_told_at_once_without_the_token() {
    let url = serve(|count, _| {
        assert_eq!(count, 0, "asked again");
        whole("409 Conflict", b"not expected now")
    });
    let error = Client::new(None).unwrap().post(&format!("{url}/event/x"), "").unwrap_err();
    let RequestError::Refused(text) = error else { panic!("{error:?}") };
    assert!(text.contains("409") && text.contains("not expected now"), "{text}");
    assert!(!text.contains("secret-token"), "{text}");
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let url = serve(|count, _| {
        if count == 0 { whole("503 Service Unavailable", b"") } else { whole("200 OK", b"{}") }
    });
    assert_eq!(Client::new(None).unwrap().get(&url).as_deref(), Ok("{}"));
}

#[test]
fn names_are_not_looked_up() {
    let error = Client::new(None).unwrap().get_once("http://localhost:1/x").unwrap_err();
    assert!(matches!(error, RequestError::Unreachable(_)), "{error:?}");
}

#[test]
fn https_takes_the_one_authority_and_no_other() {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let secret = rustls::pki_types::PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], secret)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/x", listener.local_addr().unwrap());
    thread::spawn(move || {
        let config = Arc::new(config);
        for stream in listener.incoming() {
            answer_once(stream.unwrap(), &config);
        }
    });
    let ours = Client::new(Some(key.cert.pem().as_bytes())).unwrap();
    assert_eq!(ours.get_once(&url).as_deref(), Ok("seen"));
    let theirs = Client::new(Some(other.cert.pem().as_bytes())).unwrap();
    assert!(theirs.get_once(&url).is_err());
    assert!(Client::new(None).unwrap().get_once(&url).is_err());
}

fn answer_once(stream: TcpStream, config: &Arc<ServerConfig>) {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let mut first = [0; 1];
    // Whoever does not trust us goes away before the first byte.
    if stream.read_exact(&mut first).is_ok() {
        read_head(&mut stream);
        stream.write_all(&whole("200 OK", b"seen")).unwrap();
    }
}
