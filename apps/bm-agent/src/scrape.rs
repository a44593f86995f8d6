//! Answers who asks on this machine: `GET /metrics`, one after the other.
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Whoever takes longer to ask, or to take the answer, is not answered.
const DEADLINE: Duration = Duration::from_secs(5);
const MAXIMUM_REQUEST_BYTES: usize = 8 << 10;

/// Answers until the process ends; `collect` gives the text of each answer.
pub fn answer(listener: &TcpListener, mut collect: impl FnMut() -> String) {
    for stream in listener.incoming() {
        match stream {
            // Whoever hangs up is nobody's trouble.
            Ok(stream) => drop(answer_one(stream, &mut collect)),
            // The kernel has no more descriptors, or the like: not in a tight loop.
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn answer_one(mut stream: TcpStream, collect: &mut impl FnMut() -> String) -> io::Result<()> {
    let request = read_request(&mut stream)?;
    let (status, kind, body) = match first_words(&request) {
        Some(("GET", "/metrics")) => {
            ("200 OK", "text/plain; version=0.0.4; charset=utf-8", collect())
        }
        Some(("GET", _)) => ("404 Not Found", "text/plain", "ask for /metrics\n".to_owned()),
        Some(_) => ("405 Method Not Allowed", "text/plain", "ask by GET\n".to_owned()),
        None => ("400 Bad Request", "text/plain", "this is no request\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

/// Everything to the empty line; what follows it is not read.
fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let end = Instant::now() + DEADLINE;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > MAXIMUM_REQUEST_BYTES {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => request.extend_from_slice(&piece[..length]),
        }
    }
    Ok(request)
}

/// Method and path, without what follows a question mark.
fn first_words(request: &[u8]) -> Option<(&str, &str)> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    Some((method, target.split('?').next().unwrap_or(target)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends `request` to a listener of its own and gives the answer's first line and body.
    fn ask(request: &[u8]) -> (String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let request = request.to_owned();
        let asker = std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let _ = stream.write_all(&request);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer
        });
        let (stream, _) = listener.accept().unwrap();
        let _ = answer_one(stream, &mut || "node_load1 1\n".to_owned());
        let answer = asker.join().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    #[test]
    fn metrics_are_answered_and_everything_else_is_refused() {
        let (status, body) = ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!((&*status, &*body), ("HTTP/1.1 200 OK", "node_load1 1\n"));
        assert!(ask(b"GET / HTTP/1.1\r\n\r\n").0.contains("404"));
        assert!(ask(b"POST /metrics HTTP/1.1\r\n\r\n").0.contains("405"));
        assert!(ask(b"\xff\xfe\r\n\r\n").0.contains("400"));
        assert_eq!(ask(b"GET /metrics HTTP/1.1\r\n").0, "", "a request that does not end");
        assert_eq!(ask(&vec![b'x'; 20_000]).0, "", "a request that is too long");
    }

    proptest! {
        #[test]
        fn any_request_is_read(request in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = first_words(&request);
        }
    }
}
