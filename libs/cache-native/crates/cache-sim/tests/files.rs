//! Traces in files: what is read, and what is said of files that cannot be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;

use purlin_cache_sim::{Format, Trace};

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("purlin-cache-sim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn counts(name: &str, bytes: &[u8], format: Format) -> (usize, usize) {
    let trace = Trace::read(&file(name, bytes), format).unwrap();
    (trace.requests(), trace.distinct_pages())
}

fn refusal(name: &str, bytes: &[u8], format: Format) -> String {
    Trace::read(&file(name, bytes), format).unwrap_err().to_string()
}

fn record(id: u64) -> Vec<u8> {
    let (time, size, next) = (1u32, 1u32, -1i64);
    [&time.to_le_bytes()[..], &id.to_le_bytes(), &size.to_le_bytes(), &next.to_le_bytes()].concat()
}

#[test]
fn each_format_gives_its_requests() {
    assert_eq!(counts("a.lis", b"1 3 0 0\n2 1 0 1\n\n", Format::Lis), (4, 3));
    assert_eq!(counts("a.csv", b"0.1,r,0,4096\n0.2,w,7,1024\n", Format::Csv), (3, 2));
    let records = [record(7), record(u64::MAX), record(7)].concat();
    assert_eq!(counts("a.oracle", &records, Format::Oracle), (3, 2));
    assert_eq!(counts("no-end.lis", b"1 3 0 0", Format::Lis), (3, 3));
}

#[test]
fn a_bad_line_is_named_with_its_number() {
    let said = refusal("b.lis", b"1 1 0 0\n\nseven 1 0 0\n", Format::Lis);
    assert!(said.contains("b.lis, line 3: the first page is \"seven\""), "{said}");
    let said = refusal("b.csv", b"1,r,0,512\n1,q,0,512\n", Format::Csv);
    assert!(said.contains("line 2: the operation is \"q\""), "{said}");
    let said = refusal("b.oracle", &[record(1), vec![0; 5]].concat(), Format::Oracle);
    assert!(said.contains("record 2: the file ends after 5 of its 24 bytes"), "{said}");
    let said = refusal("text.lis", b"1 1 0 0\n\xff\xfe\n", Format::Lis);
    assert!(said.contains("line 2: it is no text"), "{said}");
}

#[test]
fn a_packed_an_empty_and_a_missing_file_are_said() {
    let said = refusal("c.lis", &[0x28, 0xb5, 0x2f, 0xfd, 1, 2], Format::Lis);
    assert!(said.contains("unpack it with zstd -d"), "{said}");
    let said = refusal("d.lis", b"\n\n", Format::Lis);
    assert!(said.ends_with("d.lis has no request in it"), "{said}");
    let said = Trace::read("/nowhere/e.lis".as_ref(), Format::Lis).unwrap_err().to_string();
    assert!(said.starts_with("/nowhere/e.lis cannot be read: "), "{said}");
}
