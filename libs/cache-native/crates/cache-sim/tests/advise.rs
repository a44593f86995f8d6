//! The advice of the cache's own code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::sync::atomic::AtomicBool;

use purlin_cache_sim::advise::{Advice, advise};
use purlin_cache_sim::{Format, Trace};

/// 400 blocks, a third of them asked for again and again, every fifth request a write.
fn trace() -> Trace {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let mut text = String::new();
    for number in 0..30_000u64 {
        let page = if number % 4 == 0 { number * 7 % 400 } else { number * number % 131 };
        let kind = if number % 5 == 0 { 'w' } else { 'r' };
        writeln!(text, "{number},{kind},{},4096", page * 8).unwrap();
    }
    std::fs::write(&path, text).unwrap();
    Trace::read(&path, Format::Csv).unwrap()
}

fn of<'a>(rows: &'a [Advice], mode: &str, percent: f64) -> &'a Advice {
    rows.iter().find(|row| row.mode == mode && (row.percent - percent).abs() < 0.1).unwrap()
}

#[test]
fn a_larger_cache_spares_the_disk_more_and_writeback_spares_it_writes() {
    let rows = advise(&trace(), &[16.0, 50.0, 100.0], &AtomicBool::new(false)).unwrap();
    assert_eq!(rows.len(), 6);
    for mode in ["writethrough", "writeback"] {
        let [small, _, whole] = [16.0, 50.0, 100.0].map(|percent| of(&rows, mode, percent));
        assert!(whole.hit_ratio > 0.97, "{whole:?}");
        assert!(small.hit_ratio < whole.hit_ratio && small.size_bytes < whole.size_bytes);
    }
    // Every write reaches the disk in writethrough, and few in writeback.
    assert!(of(&rows, "writethrough", 100.0).disk_requests_per_request >= 0.2);
    assert!(of(&rows, "writeback", 100.0).disk_requests_per_request < 0.15);
}

#[test]
fn an_advice_that_is_given_up_or_of_no_size_is_an_error() {
    assert!(advise(&trace(), &[0.0], &AtomicBool::new(false)).is_err());
    assert!(advise(&trace(), &[10.0], &AtomicBool::new(true)).is_err());
}
