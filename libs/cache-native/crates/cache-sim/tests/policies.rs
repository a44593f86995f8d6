//! The policies through the public face: what must hold of each, and ours against the others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use purlin_cache_sim::generate::{KINDS, Kind, generate};
use purlin_cache_sim::{POLICIES, Row, SimulateError, Trace, simulate};

fn rows(trace: &Trace, percents: &[f64]) -> Vec<Row> {
    simulate(trace, percents, &AtomicBool::new(false)).unwrap()
}

fn misses(trace: &Trace, percent: f64) -> HashMap<&'static str, f64> {
    rows(trace, &[percent]).into_iter().map(|row| (row.policy, row.miss_ratio)).collect()
}

/// The misses of LRU by its definition: a list that is searched.
fn lru_by_definition(pages: &[u64], capacity: usize) -> usize {
    let mut recent: Vec<u64> = Vec::new();
    let mut misses = 0;
    for page in pages {
        if let Some(at) = recent.iter().position(|other| other == page) {
            recent.remove(at);
        } else {
            misses += 1;
            if recent.len() == capacity {
                recent.remove(0);
            }
        }
        recent.push(*page);
    }
    misses
}

/// The misses of the optimum by its definition: the future is searched for each eviction.
fn optimum_by_definition(pages: &[u64], capacity: usize) -> usize {
    let mut held: Vec<u64> = Vec::new();
    let mut misses = 0;
    for (now, page) in pages.iter().enumerate() {
        if held.contains(page) {
            continue;
        }
        misses += 1;
        if held.len() == capacity {
            let next = |held: &u64| pages[now..].iter().position(|page| page == held);
            let furthest = (0..held.len()).max_by_key(|at| next(&held[*at]).unwrap_or(usize::MAX));
            held.swap_remove(furthest.unwrap());
        }
        held.push(*page);
    }
    misses
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "counts of a small trace")]
fn lru_and_the_optimum_are_those_of_their_definitions() {
    for kind in [Kind::Zipf, Kind::Loop, Kind::Recency] {
        let pages = generate(kind, 3, 3000);
        let trace = Trace::new(pages.clone());
        let capacity = trace.distinct_pages() / 5;
        let found = misses(&trace, 20.0);
        let ratio = |misses: usize| misses as f64 / 3000.0;
        assert!((found["lru"] - ratio(lru_by_definition(&pages, capacity))).abs() < 1e-9);
        assert!((found["belady"] - ratio(optimum_by_definition(&pages, capacity))).abs() < 1e-9);
    }
}

#[test]
fn no_policy_has_fewer_misses_than_the_optimum_and_none_writes_more_than_it_misses() {
    for (name, kind) in KINDS {
        let trace = Trace::new(generate(kind, 5, 20_000));
        for row in rows(&trace, &[1.0, 10.0, 60.0]) {
            assert!(row.flash_writes_per_request <= row.miss_ratio, "{name} {row:?}");
            let optimum = rows(&trace, &[row.percent]).pop().unwrap();
            assert!(row.miss_ratio >= optimum.miss_ratio * 0.99, "{name} {row:?} {optimum:?}");
        }
    }
}

#[test]
fn every_policy_works_with_one_page_and_with_all_of_them() {
    let trace = Trace::new(generate(Kind::Mixed, 8, 5000));
    #[allow(clippy::cast_precision_loss, reason = "counts of a small trace")]
    let (first_uses, one) = (
        trace.distinct_pages() as f64 / trace.requests() as f64,
        100.0 / trace.distinct_pages() as f64,
    );
    for row in rows(&trace, &[one * 1.01, one * 2.01, one * 3.01, 100.0]) {
        assert!(row.miss_ratio >= first_uses && row.miss_ratio <= 1.0, "{row:?}");
        // S3-FIFO and LIRS keep a part of the cache for new pages; what has a set of its own may
        // lack room in one set while there is some in another.
        if row.percent > 99.0 && ["lru", "arc", "2q", "sieve", "belady"].contains(&row.policy) {
            assert!((row.miss_ratio - first_uses).abs() < 1e-9, "{row:?}");
        }
    }
}

#[test]
fn a_size_out_of_range_and_a_stop_are_said() {
    let trace = Trace::new(vec![1, 2, 3]);
    for wrong in [0.0, -1.0, 100.1, f64::NAN] {
        let found = simulate(&trace, &[5.0, wrong], &AtomicBool::new(false));
        assert!(matches!(found, Err(SimulateError::Percent(_))));
    }
    assert_eq!(simulate(&trace, &[5.0], &AtomicBool::new(true)), Err(SimulateError::Stopped));
}

#[test]
fn the_same_seed_gives_the_same_rows_and_another_seed_another_trace() {
    for (name, kind) in KINDS {
        assert_eq!(generate(kind, 1, 500), generate(kind, 1, 500), "{name}");
        assert_ne!(generate(kind, 1, 500), generate(kind, 2, 500), "{name}");
    }
    let trace = Trace::new(generate(Kind::Tenants, 1, 20_000));
    assert_eq!(rows(&trace, &[10.0]), rows(&trace, &[10.0]));
}

/// The parameters were chosen on other seeds; of this one the price's ceiling alone was tried.
#[test]
#[allow(clippy::cast_precision_loss, reason = "there are few rows")]
fn on_traces_it_was_not_tuned_on_ours_has_the_fewest_misses_and_few_flash_writes() {
    let mut logarithms = [0.0; POLICIES.len()];
    let (mut worst, mut writes, mut count) = (f64::MIN, 0.0, 0);
    for (name, kind) in KINDS {
        let trace = Trace::new(generate(kind, 31, 250_000));
        for rows in rows(&trace, &[5.0, 10.0, 20.0]).chunks(POLICIES.len()) {
            let best = rows[1..POLICIES.len() - 1].iter().map(|row| row.miss_ratio);
            let excess = rows[0].miss_ratio - best.fold(1.0, f64::min);
            if excess > worst {
                println!("{name} at {} %: {excess:.3} above the best", rows[0].percent);
                worst = excess;
            }
            for (sum, row) in logarithms.iter_mut().zip(rows) {
                *sum += row.miss_ratio.ln();
            }
            writes += (rows[0].flash_writes_per_request / rows[1].flash_writes_per_request).ln();
            count += 1;
        }
    }
    let means = logarithms.map(|sum| (sum / f64::from(count)).exp());
    println!("{:?}, writes {:.3}", POLICIES.iter().zip(means).collect::<Vec<_>>(), writes);
    for (policy, mean) in POLICIES.iter().zip(means).skip(1) {
        assert!(*policy == "belady" || means[0] < mean, "{policy} {mean}");
    }
    assert!((writes / f64::from(count)).exp() <= 0.28, "{writes}");
    assert!(worst <= 0.045, "{worst}");
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "counts of a made trace")]
fn ours_takes_at_most_four_gib_of_memory_for_each_tib_of_flash() {
    let trace = Trace::new(generate(Kind::Zipf, 1, 1_000_000));
    let rows = rows(&trace, &[20.0]);
    let pages = trace.distinct_pages() as f64 / 5.0;
    let per_page = rows[0].metadata_bytes as f64 / pages;
    // 4 GiB a TiB is 16 bytes a page.
    assert!(per_page <= 16.0, "{per_page}");
    assert!(rows[1..].iter().all(|row| row.metadata_bytes > rows[0].metadata_bytes));
}
