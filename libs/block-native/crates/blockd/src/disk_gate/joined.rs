//! Neighbouring writes of a turn as one: the shards of stripes that follow each other lie side by
//! side on every disk, and one call to it costs as much as another, whatever its size.

use purlin_block_core::disk::{DiskIo, DiskOp, IoId};

/// Most bytes of one write, so that others of its disk do not wait for long.
const JOINED_BYTES_MAX: u64 = 1 << 20;
/// Most slices of one write: they fit into one call (`IOV_MAX` of Linux is 1024).
const JOINED_SLICES_MAX: usize = 512;

/// Gives each operation to `start`, a write with the ids of those it has taken in. What is no write
/// keeps its order and goes first; writes of a turn have no order.
pub fn join(fresh: &mut Vec<DiskIo>, mut start: impl FnMut(DiskIo, Vec<IoId>)) {
    fresh.sort_by_key(|io| match io.op {
        DiskOp::Write { at, fua, .. } => Some((io.class, fua, at)),
        _ => None,
    });
    let mut last: Option<(DiskIo, Vec<IoId>)> = None;
    for io in fresh.drain(..) {
        if let Some((first, others)) = &mut last
            && take_in(first, &io)
        {
            others.push(io.id);
        } else if let Some((first, others)) = last.replace((io, Vec::new())) {
            start(first, others);
        }
    }
    if let Some((first, others)) = last {
        start(first, others);
    }
}

/// Appends the bytes of `next` to those of `first` if they come right behind them.
fn take_in(first: &mut DiskIo, next: &DiskIo) -> bool {
    let bytes = first.bytes() as u64;
    if first.class != next.class || bytes + next.bytes() as u64 > JOINED_BYTES_MAX {
        return false;
    }
    match (&mut first.op, &next.op) {
        (
            DiskOp::Write { at, slices, fua },
            DiskOp::Write { at: next_at, slices: more, fua: next_fua },
        ) if fua == next_fua
            && *at + bytes == *next_at
            && slices.len() + more.len() <= JOINED_SLICES_MAX =>
        {
            for slice in more {
                slice.append_to(slices);
            }
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use purlin_block_core::buffer::{BLOCK_BYTES, Buffer, Slice};
    use purlin_block_core::disk::{DiskHandle, IoClass};

    use super::*;

    fn io(id: u64, class: IoClass, op: DiskOp) -> DiskIo {
        DiskIo { id: IoId(id), disk: DiskHandle(0), class, op }
    }

    /// A write of whole blocks, each filled with its number.
    fn write(id: u64, blocks: std::ops::Range<u8>, class: IoClass, fua: bool) -> DiskIo {
        let slices = blocks.clone().map(|block| Buffer::copy_of(&[block; BLOCK_BYTES]).share());
        let at = u64::from(blocks.start) * BLOCK_BYTES as u64;
        io(id, class, DiskOp::Write { at, slices: slices.collect(), fua })
    }

    fn read(id: u64, block: u64) -> DiskIo {
        let op = DiskOp::Read { at: block * BLOCK_BYTES as u64, buffer: Buffer::zeroed(1) };
        io(id, IoClass::Client, op)
    }

    /// What goes to the disk: the ids, and the first byte of each block.
    fn joined(mut fresh: Vec<DiskIo>) -> Vec<(Vec<u64>, Vec<u8>)> {
        let mut all = Vec::new();
        join(&mut fresh, |first, others| {
            let ids = [first.id].into_iter().chain(others).map(|id| id.0);
            let bytes = match &first.op {
                DiskOp::Write { slices, .. } => slices.iter().flat_map(Slice::as_bytes).collect(),
                _ => Vec::new(),
            };
            all.push((ids.collect(), bytes.into_iter().copied().step_by(BLOCK_BYTES).collect()));
        });
        all
    }

    #[test]
    fn writes_side_by_side_go_to_the_disk_as_one_whatever_their_order() {
        let client = IoClass::Client;
        let fresh = vec![
            write(1, 4..6, client, false),
            write(2, 9..10, client, false),
            write(3, 0..4, client, false),
            write(4, 6..7, client, false),
        ];
        let expected = [(vec![3, 1, 4], vec![0, 1, 2, 3, 4, 5, 6]), (vec![2], vec![9])];
        assert_eq!(joined(fresh), expected);
    }

    #[test]
    fn reads_stay_what_they_are_and_writes_of_another_kind_do_not_mix() {
        let (client, destage) = (IoClass::Client, IoClass::Destage);
        let fresh = vec![
            write(1, 0..1, client, false),
            read(2, 8),
            write(3, 1..2, destage, false),
            write(4, 2..3, client, true),
            read(5, 9),
            write(6, 1..2, client, false),
        ];
        let ids: Vec<_> = joined(fresh).into_iter().map(|(ids, _)| ids).collect();
        assert_eq!(ids, [vec![2], vec![5], vec![1, 6], vec![4], vec![3]]);
    }

    #[test]
    fn a_joined_write_has_at_most_a_mebibyte() {
        let blocks = |id: u64| {
            let slices = vec![Buffer::zeroed(128).share()];
            let op = DiskOp::Write { at: id * 128 * BLOCK_BYTES as u64, slices, fua: false };
            io(id, IoClass::Client, op)
        };
        let ids: Vec<_> = joined((0..5).map(blocks).collect()).into_iter().map(|it| it.0).collect();
        assert_eq!(ids, [vec![0, 1], vec![2, 3], vec![4]]);
    }
}
