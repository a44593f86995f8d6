//! ISA-L of a newer version than Debian's, GFNI in it: built by the crate isal-sys, whose bindings
//! leave the erasure coding out, so it is declared here (`erasure_code.h`).

use crate::{Outcome, Shards};
use isal_sys as _;
use purlin_bench_line::{Arena, Request, Timing, timed};

unsafe extern "C" {
    fn gf_gen_cauchy1_matrix(a: *mut u8, m: i32, k: i32);
    fn gf_invert_matrix(a: *mut u8, out: *mut u8, n: i32) -> i32;
    fn ec_init_tables(k: i32, rows: i32, a: *const u8, tables: *mut u8);
    fn ec_encode_data(
        len: i32,
        k: i32,
        rows: i32,
        tables: *const u8,
        data: *const *const u8,
        coding: *const *mut u8,
    );
    fn ec_encode_data_update(
        len: i32,
        k: i32,
        rows: i32,
        index: i32,
        tables: *const u8,
        data: *const u8,
        coding: *const *mut u8,
    );
}

const SHARDS_MAX: usize = 256;
const TABLE_BYTES: usize = 32;

fn int(count: usize) -> i32 {
    i32::try_from(count).expect("a count that fits C's int")
}

/// Tables for `rows`, each of k coefficients.
fn tables(k: usize, rows: &[u8]) -> Vec<u8> {
    let count = rows.len() / k;
    let mut tables = vec![0; TABLE_BYTES * k * count];
    // SAFETY: `rows` holds count rows of k bytes, and the tables 32 bytes for each of those.
    unsafe { ec_init_tables(int(k), int(count), rows.as_ptr(), tables.as_mut_ptr()) };
    tables
}

/// Tables that rebuild the first `lost` data shards from the k shards that follow them.
fn decode_tables(k: usize, matrix: &[u8], lost: usize) -> Vec<u8> {
    let mut rows = matrix[lost * k..(lost + k) * k].to_vec();
    let mut inverse = vec![0; k * k];
    // SAFETY: both are k x k bytes.
    let failed = unsafe { gf_invert_matrix(rows.as_mut_ptr(), inverse.as_mut_ptr(), int(k)) };
    assert!(failed >= 0, "the Cauchy matrix is regular");
    tables(k, &inverse[..lost * k])
}

/// One call of the library; the pointers are gathered anew, as every caller must.
fn combine(size: usize, tables: &[u8], sources: &[&mut [u8]], outputs: &mut [&mut [u8]]) {
    let mut data = [std::ptr::null::<u8>(); SHARDS_MAX];
    let mut coding = [std::ptr::null_mut::<u8>(); SHARDS_MAX];
    for (pointer, shard) in data.iter_mut().zip(sources) {
        *pointer = shard.as_ptr();
    }
    for (pointer, shard) in coding.iter_mut().zip(outputs.iter_mut()) {
        *pointer = shard.as_mut_ptr();
    }
    let (k, rows) = (int(sources.len()), int(outputs.len()));
    // SAFETY: every pointer is of a shard of `size` bytes, and no output is a source.
    unsafe {
        ec_encode_data(int(size), k, rows, tables.as_ptr(), data.as_ptr(), coding.as_ptr());
    }
}

pub fn measure(request: &Request, arena: &mut Arena) -> Outcome {
    let Request { k, m, size, .. } = *request;
    let mut matrix = vec![0; (k + m) * k];
    // SAFETY: the matrix is (k + m) x k bytes.
    unsafe { gf_gen_cauchy1_matrix(matrix.as_mut_ptr(), int(k + m), int(k)) };
    let encode = tables(k, &matrix[k * k..]);
    let mut stripes: Vec<_> = arena.stripes().map(|bytes| Shards::of(request, bytes)).collect();
    for Shards { data, parity, .. } in &mut stripes {
        combine(size, &encode, data, parity);
    }
    let timing = match request.op.as_str() {
        "enc" => timed(request, &mut stripes, |s| combine(size, &encode, &s.data, &mut s.parity)),
        "dec" | "rep" => return Some(decode(request, &matrix, &mut stripes)),
        "upd" => timed(request, &mut stripes, |s| {
            let mut coding = [std::ptr::null_mut::<u8>(); SHARDS_MAX];
            for (pointer, shard) in coding.iter_mut().zip(s.parity.iter_mut()) {
                *pointer = shard.as_mut_ptr();
            }
            let (delta, index) = (s.spare[0].as_ptr(), int(k / 2));
            let (k, m, size) = (int(k), int(m), int(size));
            // SAFETY: as for `combine`; the changed shard's number is below k.
            unsafe {
                ec_encode_data_update(size, k, m, index, encode.as_ptr(), delta, coding.as_ptr());
            }
        }),
        _ => return None,
    };
    Some((timing, true))
}

fn decode(request: &Request, matrix: &[u8], stripes: &mut [Shards<'_>]) -> (Timing, bool) {
    let Request { k, size, .. } = *request;
    let lost = request.lost();
    let decode = decode_tables(k, matrix, lost);
    let timing = timed(request, stripes, |s| {
        let mut data = [std::ptr::null::<u8>(); SHARDS_MAX];
        let mut coding = [std::ptr::null_mut::<u8>(); SHARDS_MAX];
        let survivors = s.data[lost..].iter().chain(&s.parity).take(k);
        for (pointer, shard) in data.iter_mut().zip(survivors) {
            *pointer = shard.as_ptr();
        }
        for (pointer, shard) in coding.iter_mut().zip(s.spare[..lost].iter_mut()) {
            *pointer = shard.as_mut_ptr();
        }
        let (k, lost, size) = (int(k), int(lost), int(size));
        // SAFETY: as for `combine`; the spare shards are no sources.
        unsafe {
            ec_encode_data(size, k, lost, decode.as_ptr(), data.as_ptr(), coding.as_ptr());
        }
    });
    (timing, stripes[0].are_rebuilt(lost))
}
