//! Where disks stand: data centres, rooms, racks, servers.

use std::collections::{BTreeMap, BTreeSet};

use crate::placement::PlacementError;

const DATACENTERS_MAX: usize = 2;
const ROOMS_MAX: usize = 100;
const RACKS_MAX: usize = 100;
const SERVERS_MAX: usize = 20;

/// A topology as it is written: trees with a data centre as the root of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopologySpec {
    /// 0 to 2.
    pub roots: Vec<RootSpec>,
}

/// A data centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootSpec {
    /// Its name.
    pub datacenter: String,
    /// 0 to 100.
    pub rooms: Vec<RoomSpec>,
}

/// A room of a data centre.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSpec {
    /// Its name.
    pub room: String,
    /// 0 to 100.
    pub racks: Vec<RackSpec>,
}

/// A rack of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RackSpec {
    /// Its name.
    pub rack: String,
    /// The labels of its servers, 0 to 20.
    pub servers: Vec<String>,
}

/// The place of a server, known again by its names: inserting a rack elsewhere does not change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// Of data centre and room.
    pub room: u64,
    /// Of data centre, room and rack.
    pub rack: u64,
    /// Of all four names.
    pub server: u64,
}

impl Location {
    /// The place that is named from the widest to the server, as
    /// `["room-1", "rack-2", "server-3"]`; what is left out at the front has no name.
    #[must_use]
    pub fn of(names: &[&str]) -> Self {
        let (server, outer) = names.split_last().map_or(("", names), |(last, rest)| (*last, rest));
        let (rack, outer) = outer.split_last().map_or(("", outer), |(last, rest)| (*last, rest));
        let room = outer.iter().fold(FNV_START, |key, name| extend(key, name));
        let rack = extend(room, rack);
        Self { room, rack, server: extend(rack, server) }
    }
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a of 64 bits; the byte 0xff, which no name has, ends each name.
fn extend(key: u64, name: &str) -> u64 {
    let bytes = name.bytes().chain([0xff]);
    bytes.fold(key, |key, byte| (key ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A checked topology: finds servers by their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    servers: BTreeMap<String, Location>,
}

impl Topology {
    /// Checks limits and names.
    ///
    /// # Errors
    /// [`PlacementError::Topology`] with the path of the field.
    pub fn new(spec: &TopologySpec) -> Result<Self, PlacementError> {
        let mut servers = BTreeMap::new();
        limit("roots", spec.roots.len(), DATACENTERS_MAX, "data centres")?;
        let mut datacenters = Names::default();
        for (i, root) in spec.roots.iter().enumerate() {
            let root_path = format!("roots[{i}]");
            datacenters.add(&root.datacenter, &format!("{root_path}.datacenter"))?;
            limit(&format!("{root_path}.rooms"), root.rooms.len(), ROOMS_MAX, "rooms")?;
            let mut rooms = Names::default();
            for (i, room) in root.rooms.iter().enumerate() {
                let room_path = format!("{root_path}.rooms[{i}]");
                rooms.add(&room.room, &format!("{room_path}.room"))?;
                limit(&format!("{room_path}.racks"), room.racks.len(), RACKS_MAX, "racks")?;
                let mut racks = Names::default();
                for (i, rack) in room.racks.iter().enumerate() {
                    let rack_path = format!("{room_path}.racks[{i}]");
                    racks.add(&rack.rack, &format!("{rack_path}.rack"))?;
                    let servers_path = format!("{rack_path}.servers");
                    limit(&servers_path, rack.servers.len(), SERVERS_MAX, "servers")?;
                    for (i, server) in rack.servers.iter().enumerate() {
                        let names = [&root.datacenter, &room.room, &rack.rack, server];
                        let location = Location::of(&names.map(String::as_str));
                        if servers.insert(server.clone(), location).is_some() {
                            return Err(twice(server, &format!("{servers_path}[{i}]")));
                        }
                    }
                }
            }
        }
        Ok(Self { servers })
    }

    /// Where the server of that label stands. In an empty topology every label stands in a room and
    /// a rack without a name.
    ///
    /// # Errors
    /// [`PlacementError::Topology`] where the topology has servers, but not this one; `path` is the
    /// field that names it.
    pub fn locate(&self, server: &str, path: &str) -> Result<Location, PlacementError> {
        if self.servers.is_empty() {
            return Ok(Location::of(&[server]));
        }
        self.servers.get(server).copied().ok_or_else(|| PlacementError::Topology {
            path: path.to_owned(),
            reason: format!("the topology has no server {server}; add it to a rack"),
        })
    }
}

#[derive(Default)]
struct Names<'spec>(BTreeSet<&'spec str>);

impl<'spec> Names<'spec> {
    fn add(&mut self, name: &'spec str, path: &str) -> Result<(), PlacementError> {
        if self.0.insert(name) { Ok(()) } else { Err(twice(name, path)) }
    }
}

fn twice(name: &str, path: &str) -> PlacementError {
    PlacementError::Topology { path: path.to_owned(), reason: format!("{name} is named twice") }
}

fn limit(path: &str, found: usize, most: usize, what: &str) -> Result<(), PlacementError> {
    if found <= most {
        return Ok(());
    }
    let reason = format!("{found} {what}, and at most {most} can be managed");
    Err(PlacementError::Topology { path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rack(name: &str, servers: &[&str]) -> RackSpec {
        let servers = servers.iter().map(|&name| name.to_owned()).collect();
        RackSpec { rack: name.to_owned(), servers }
    }

    fn spec(racks: Vec<RackSpec>) -> TopologySpec {
        let rooms = vec![RoomSpec { room: "r1".to_owned(), racks }];
        TopologySpec { roots: vec![RootSpec { datacenter: "dc1".to_owned(), rooms }] }
    }

    fn refused(spec: &TopologySpec) -> String {
        Topology::new(spec).unwrap_err().to_string()
    }

    #[test]
    fn each_limit_is_enforced_with_the_path_of_its_field() {
        let many = |count: usize| (0..count).map(|i| format!("n{i}")).collect::<Vec<_>>();
        let empty = |name: &String| RootSpec { datacenter: name.clone(), rooms: Vec::new() };
        let roots = TopologySpec { roots: many(3).iter().map(empty).collect() };
        assert_eq!(refused(&roots), "roots: 3 data centres, and at most 2 can be managed");

        let mut full = spec(Vec::new());
        let of_name = |name: &String| RoomSpec { room: name.clone(), racks: Vec::new() };
        full.roots[0].rooms = many(101).iter().map(of_name).collect();
        assert_eq!(refused(&full), "roots[0].rooms: 101 rooms, and at most 100 can be managed");

        let racks = spec(many(101).iter().map(|name| rack(name, &[])).collect());
        let expected = "roots[0].rooms[0].racks: 101 racks, and at most 100 can be managed";
        assert_eq!(refused(&racks), expected);

        let labels = many(21);
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let servers = spec(vec![rack("k1", &[]), rack("k2", &labels)]);
        let expected =
            "roots[0].rooms[0].racks[1].servers: 21 servers, and at most 20 can be managed";
        assert_eq!(refused(&servers), expected);
        assert!(Topology::new(&spec(vec![rack("k1", &labels[..20])])).is_ok());
    }

    #[test]
    fn a_name_given_twice_is_refused_where_it_stands() {
        let racks = spec(vec![rack("k1", &["s1"]), rack("k1", &[])]);
        assert_eq!(refused(&racks), "roots[0].rooms[0].racks[1].rack: k1 is named twice");
        let servers = spec(vec![rack("k1", &["s1"]), rack("k2", &["s2", "s1"])]);
        assert_eq!(refused(&servers), "roots[0].rooms[0].racks[1].servers[1]: s1 is named twice");
    }

    #[test]
    fn a_place_is_known_by_its_names_and_not_by_its_position() {
        let before = Topology::new(&spec(vec![rack("k2", &["s2"])])).unwrap();
        let after = Topology::new(&spec(vec![rack("k1", &["s1"]), rack("k2", &["s2"])])).unwrap();
        assert_eq!(before.locate("s2", "").unwrap(), after.locate("s2", "").unwrap());
        let (one, two) = (after.locate("s1", "").unwrap(), after.locate("s2", "").unwrap());
        assert!(one.room == two.room && one.rack != two.rack && one.server != two.server);
    }

    #[test]
    fn a_label_is_enough_where_there_is_no_topology_and_is_looked_up_where_there_is() {
        let empty = Topology::new(&TopologySpec::default()).unwrap();
        assert_eq!(empty.locate("s9", "").unwrap(), Location::of(&["s9"]));
        let topology = Topology::new(&spec(vec![rack("k1", &["s1"])])).unwrap();
        let error = topology.locate("s9", "disks[3].server").unwrap_err();
        assert_eq!(error.code(), "PUR_BLOCK_TOPOLOGY");
        let expected = "disks[3].server: the topology has no server s9; add it to a rack";
        assert_eq!(error.to_string(), expected);
    }
}
