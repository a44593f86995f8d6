//! What JavaScript hands over, checked and turned into the core's types.

use napi_derive::napi;
use purlin_block_core::Policy;
use purlin_block_core::control::DiskId;
use purlin_block_core::disk::Media;
use purlin_block_core::placement::{
    Level, RackSpec, RoomSpec, RootSpec, TableDisk, Topology, TopologySpec,
};

use crate::failure::BlockFailure;

/// A data centre.
#[napi(object)]
pub struct RootInput {
    /// Its name.
    pub datacenter: String,
    /// Its rooms.
    pub rooms: Vec<RoomInput>,
}

/// A room.
#[napi(object)]
pub struct RoomInput {
    /// Its name.
    pub room: String,
    /// Its racks.
    pub racks: Vec<RackInput>,
}

/// A rack.
#[napi(object)]
pub struct RackInput {
    /// Its name.
    pub rack: String,
    /// The labels of its servers.
    pub servers: Vec<String>,
}

/// A disk.
#[napi(object)]
pub struct DiskInput {
    /// Its number in the pool.
    pub id: u32,
    /// The label of its server.
    pub server: String,
    /// What it can hold.
    pub capacity_bytes: i64,
    /// `hdd`, `ssd` or `nvme`.
    pub media: String,
}

/// Redundancy over fault domains.
#[napi(object)]
pub struct PolicyInput {
    /// K, or 1 of replicas.
    pub data_shards: u32,
    /// M, or replicas less one.
    pub parity_shards: u32,
    /// B of a folded policy.
    pub domain_failures: Option<u32>,
    /// Whether the shards are copies.
    pub replicas: bool,
}

/// Where the disks stand, where the topology has their servers.
pub fn table_disks(
    roots: Vec<RootInput>,
    disks: &[DiskInput],
) -> Result<Vec<TableDisk>, BlockFailure> {
    let rack_of = |rack: RackInput| RackSpec { rack: rack.rack, servers: rack.servers };
    let room_of = |room: RoomInput| RoomSpec {
        room: room.room,
        racks: room.racks.into_iter().map(rack_of).collect(),
    };
    let tree_of = |root: RootInput| RootSpec {
        datacenter: root.datacenter,
        rooms: root.rooms.into_iter().map(room_of).collect(),
    };
    let topology =
        Topology::new(&TopologySpec { roots: roots.into_iter().map(tree_of).collect() })?;
    let disk = |(index, disk): (usize, &DiskInput)| {
        let id = u16::try_from(disk.id).map_err(|_| {
            BlockFailure::invalid(format!("disk {}: numbers go up to {}", disk.id, u16::MAX))
        })?;
        let location = topology.locate(&disk.server, &format!("disks[{index}].server"))?;
        let capacity_bytes = u64::try_from(disk.capacity_bytes).unwrap_or(0);
        Ok(TableDisk { id: DiskId(id), location, capacity_bytes, media: media(&disk.media)? })
    };
    disks.iter().enumerate().map(disk).collect()
}

fn media(name: &str) -> Result<Media, BlockFailure> {
    match name {
        "hdd" => Ok(Media::Hdd),
        "ssd" => Ok(Media::Ssd),
        "nvme" => Ok(Media::Nvme),
        _ => Err(BlockFailure::invalid(format!("{name} is no media class"))),
    }
}

/// The level of that name.
pub fn level(name: &str) -> Result<Level, BlockFailure> {
    let found = Level::ALL.into_iter().find(|level| level.name() == name);
    found.ok_or_else(|| BlockFailure::invalid(format!("{name} is no fault domain")))
}

/// The policy of these numbers.
pub fn policy(input: &PolicyInput) -> Result<Policy, BlockFailure> {
    // A number that does not fit is beyond every limit, which the check below refuses.
    let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    let (data, parity) = (small(input.data_shards), small(input.parity_shards));
    let policy = match input.domain_failures {
        _ if input.replicas => Policy::Replicas { copies: parity.saturating_add(1) },
        Some(failures) if failures != input.parity_shards => {
            Policy::Folded { data, parity, failures: small(failures) }
        }
        _ => Policy::Erasure { data, parity },
    };
    Ok(policy.check()?)
}
