//! The three forms in which traces of block requests are published.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::str::FromStr;

use crate::trace::TraceError;

/// How a trace is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines of numbers: first page, pages, ignored, request (the traces of the ARC paper).
    Lis,
    /// Lines of time, `r` or `w`, first block of 512 bytes, bytes, with commas between them.
    Csv,
    /// Little-endian records of 24 bytes: u32 time, u64 id, u32 size, i64 next request for the id
    /// (libCacheSim's `oracleGeneral`). The id is the page.
    Oracle,
}

/// Requests of a page each.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// The page of each.
    pub(crate) pages: Vec<u64>,
    /// Whether it is written.
    pub(crate) writes: Vec<bool>,
}

const BLOCK_BYTES: u64 = 512;
const PAGE_BYTES: u64 = 4096;
const RECORD_BYTES: usize = 24;
const ID_AT: std::ops::Range<usize> = 4..12;
/// More requests are refused: they are held in memory.
const REQUESTS_MAX: u64 = 1 << 30;
/// What a file packed by zstd begins with (RFC 8878).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lis" => Ok(Self::Lis),
            "csv" => Ok(Self::Csv),
            "oracle" => Ok(Self::Oracle),
            _ => Err(format!("{text:?} is no format of traces: lis, csv and oracle are")),
        }
    }
}

impl Format {
    /// Every request in the file. Formats without operations have reads alone.
    pub(crate) fn read(self, path: &Path) -> Result<Requests, TraceError> {
        let name = || path.display().to_string();
        let failed = |source| TraceError::Read { path: name(), source };
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?);
        if reader.fill_buf().map_err(failed)?.starts_with(&ZSTD_MAGIC) {
            let what = "the file is packed; unpack it with zstd -d".to_owned();
            return Err(TraceError::Bad { path: name(), place: "byte 0".to_owned(), what });
        }
        let mut requests = Requests::default();
        let unit = if self == Self::Oracle { "record" } else { "line" };
        let step = match self {
            Self::Oracle => read_record,
            Self::Csv | Self::Lis => read_line,
        };
        let mut piece = Vec::new();
        for number in 1u64.. {
            piece.clear();
            let bad =
                |what| TraceError::Bad { path: name(), place: format!("{unit} {number}"), what };
            match step(&mut reader, &mut piece) {
                Ok(true) => self.take(&piece, &mut requests).map_err(bad)?,
                Ok(false) => break,
                Err(Fault::Read(source)) => return Err(failed(source)),
                Err(Fault::Bad(what)) => return Err(bad(what)),
            }
        }
        Ok(requests)
    }

    /// Adds the pages that one line or record asks for.
    fn take(self, piece: &[u8], requests: &mut Requests) -> Result<(), String> {
        let (first, count, write) = match self {
            Self::Oracle => (u64_at(piece, ID_AT), 1, false),
            Self::Lis | Self::Csv => {
                let line = std::str::from_utf8(piece).map_err(|_| "it is no text".to_owned())?;
                match line.trim() {
                    "" => return Ok(()),
                    line if self == Self::Lis => lis_line(line)?,
                    line => csv_line(line)?,
                }
            }
        };
        if count > REQUESTS_MAX - requests.pages.len() as u64 {
            return Err(format!("more than {REQUESTS_MAX} requests are too many"));
        }
        let last =
            first.checked_add(count - 1).ok_or_else(|| format!("page {first} is too high"))?;
        requests.pages.extend(first..=last);
        requests.writes.resize(requests.pages.len(), write);
        Ok(())
    }
}

enum Fault {
    Read(std::io::Error),
    Bad(String),
}

fn read_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> Result<bool, Fault> {
    reader.read_until(b'\n', line).map(|length| length > 0).map_err(Fault::Read)
}

fn read_record(reader: &mut BufReader<File>, record: &mut Vec<u8>) -> Result<bool, Fault> {
    let limit = RECORD_BYTES as u64;
    let length = reader.by_ref().take(limit).read_to_end(record).map_err(Fault::Read)?;
    if length == 0 || length == RECORD_BYTES {
        return Ok(length > 0);
    }
    Err(Fault::Bad(format!("the file ends after {length} of its {RECORD_BYTES} bytes")))
}

fn u64_at(record: &[u8], place: std::ops::Range<usize>) -> u64 {
    let bytes = record.get(place).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}

/// First page, how many, and that it is a read.
fn lis_line(line: &str) -> Result<(u64, u64, bool), String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [first, count, ..] = fields[..] else {
        return Err(format!("{line:?} has no first page and number of pages"));
    };
    if fields.len() > 4 {
        return Err(format!("{line:?} has {} fields; 4 are needed", fields.len()));
    }
    Ok((number("first page", first)?, positive("number of pages", count)?, false))
}

/// First page and how many, of a run of bytes, and whether it is a write.
fn csv_line(line: &str) -> Result<(u64, u64, bool), String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [_, operation, block, bytes] = fields[..] else {
        return Err(format!("{line:?} has {} fields; 4 are needed", fields.len()));
    };
    if !matches!(operation, "r" | "w" | "R" | "W") {
        return Err(format!("the operation is {operation:?} and must be r or w"));
    }
    let (block, bytes) = (number("first block", block)?, positive("number of bytes", bytes)?);
    let too_high = || format!("block {block} and {bytes} bytes are too high");
    let start = block.checked_mul(BLOCK_BYTES).ok_or_else(too_high)?;
    let last = start.checked_add(bytes - 1).ok_or_else(too_high)?;
    let first = start / PAGE_BYTES;
    Ok((first, last / PAGE_BYTES - first + 1, matches!(operation, "w" | "W")))
}

fn positive(name: &str, text: &str) -> Result<u64, String> {
    match number(name, text)? {
        0 => Err(format!("the {name} is 0")),
        count => Ok(count),
    }
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("the {name} is {text:?} and must be a number from 0"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn taken(format: Format, piece: &str) -> Result<Vec<u64>, String> {
        let mut requests = Requests::default();
        format.take(piece.as_bytes(), &mut requests)?;
        assert_eq!(requests.pages.len(), requests.writes.len());
        Ok(requests.pages)
    }

    #[test]
    fn a_line_of_csv_is_a_read_or_a_write_of_all_its_pages() {
        let mut requests = Requests::default();
        for line in ["0.5,r,7,1024", "1,W,8,4097"] {
            Format::Csv.take(line.as_bytes(), &mut requests).unwrap();
        }
        assert_eq!(requests.writes, [false, false, true, true]);
    }

    #[test]
    fn a_line_of_lis_is_its_pages() {
        assert_eq!(taken(Format::Lis, "230027 3 0 7\n"), Ok(vec![230_027, 230_028, 230_029]));
        assert_eq!(taken(Format::Lis, " \n"), Ok(vec![]));
    }

    #[test]
    fn a_line_of_csv_is_every_page_that_its_bytes_touch() {
        assert_eq!(taken(Format::Csv, "0.5,r,7,1024"), Ok(vec![0, 1]));
        assert_eq!(taken(Format::Csv, "1, w, 16, 4096\r\n"), Ok(vec![2]));
        assert_eq!(taken(Format::Csv, "1,W,8,4097"), Ok(vec![1, 2]));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        for (format, line, said) in [
            (Format::Lis, "12", "has no first page and number of pages"),
            (Format::Lis, "x 1 0 0", "the first page is \"x\""),
            (Format::Lis, "1 0 0 0", "the number of pages is 0"),
            (Format::Lis, "1 2 3 4 5", "has 5 fields"),
            (Format::Lis, "1 9999999999 0 0", "too many"),
            (Format::Lis, "18446744073709551615 2 0 0", "too high"),
            (Format::Csv, "1,r,2", "has 3 fields; 4 are needed"),
            (Format::Csv, "1,x,2,512", "the operation is \"x\" and must be r or w"),
            (Format::Csv, "1,r,-2,512", "the first block is \"-2\""),
            (Format::Csv, "1,r,2,0", "the number of bytes is 0"),
            (Format::Csv, "1,r,18446744073709551615,512", "too high"),
        ] {
            let error = taken(format, line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
