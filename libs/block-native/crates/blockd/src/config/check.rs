//! From resources to what the daemon does: everything named is there, everything counted fits.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use purlin_block_core::Policy;
use purlin_block_core::control::RecoverySpeed;
use purlin_block_core::disk::Media;
use purlin_block_core::placement::{Expand, Level};

use super::resources::{
    Cache, CloneKind, Disk, EngineKind, FaultDomain, Medium, PoolSpec, Qos, Redundancy, Speed,
    VolumeSpec,
};
use super::{Config, ConfigError, Named, resources};
use crate::plan::{
    CachePlan, DIRTY_PERCENT_MAX, DiskPlan, PoolPlan, ServePlan, SourcePlan, VolumePlan,
};
use crate::qos::limiter::VolumeLimits;

const GIB: f64 = 1_073_741_824.0;
const MIB: f64 = 1_048_576.0;
/// Sizes are whole blocks; more than a pebibyte is a slip.
const SIZE_GIB_MAX: f64 = 1_048_576.0;

/// What is to be served; paths are taken relative to `folder`.
///
/// # Errors
/// Every problem of the file.
pub fn plan(config: &Config, folder: &Path) -> Result<ServePlan, ConfigError> {
    let mut check = Check { problems: Vec::new(), servers: servers(config) };
    check.unique("StoragePool", config.pools.iter().map(|it| &it.name));
    check.unique("Volume", config.volumes.iter().map(|it| &it.name));
    check.unique("Snapshot", config.snapshots.iter().map(|it| &it.name));
    let pools = config.pools.iter().filter_map(|pool| check.pool(pool, folder)).collect();
    let volumes = check.volumes(config);
    check.paths(&pools);
    if check.problems.is_empty() {
        Ok(ServePlan { pools, volumes })
    } else {
        Err(ConfigError { problems: check.problems })
    }
}

/// What has to survive lies where a service manager says (systemd.exec(5), `StateDirectory=`),
/// else beside the configuration.
fn state_folder(folder: &Path) -> PathBuf {
    let told = std::env::var("STATE_DIRECTORY").unwrap_or_default();
    match told.split(':').next().filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => folder.to_owned(),
    }
}

/// The way to each server from the widest domain down.
fn servers(config: &Config) -> HashMap<String, Vec<String>> {
    let mut servers = HashMap::new();
    for root in config.topologies.iter().flat_map(|it| &it.spec.roots) {
        for room in &root.rooms {
            for rack in &room.racks {
                for server in &rack.servers {
                    let way = [&root.datacenter, &room.room, &rack.rack, server];
                    servers.insert(server.clone(), way.map(Clone::clone).to_vec());
                }
            }
        }
    }
    servers
}

struct Check {
    problems: Vec<String>,
    servers: HashMap<String, Vec<String>>,
}

impl Check {
    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn unique<'a>(&mut self, kind: &str, names: impl Iterator<Item = &'a String>) {
        let mut seen = HashSet::new();
        for name in names.filter(|name| !seen.insert(*name)) {
            self.problems.push(format!("{kind} {name} is there twice"));
        }
    }

    fn pool(&mut self, pool: &Named<PoolSpec>, folder: &Path) -> Option<PoolPlan> {
        let Named { name, spec } = pool;
        if spec.engine != EngineKind::Local {
            self.problem(format!("StoragePool {name}: engine ceph is not served by this daemon"));
            return None;
        }
        let policy = policy(&spec.redundancy);
        if let Err(reason) = &policy {
            self.problem(format!("StoragePool {name}: {reason}"));
        }
        if spec.disks.is_empty() {
            self.problem(format!("StoragePool {name} has no disks"));
        }
        self.unique(&format!("StoragePool {name}: disk"), spec.disks.iter().map(|it| &it.name));
        let disks: Vec<DiskPlan> = spec
            .disks
            .iter()
            .filter_map(|disk| self.disk(name, disk, spec.fault_domain, folder))
            .collect();
        let policy = policy.ok()?;
        let level = match spec.fault_domain {
            FaultDomain::Disk => Level::Disk,
            FaultDomain::Server => Level::Server,
            FaultDomain::Rack => Level::Rack,
            FaultDomain::Room => Level::Room,
        };
        let domains: HashSet<&[String]> =
            disks.iter().map(|disk| domain(disk, spec.fault_domain)).collect();
        let domains = if level == Level::Disk { disks.len() } else { domains.len() };
        let needed = policy.shards().div_ceil(policy.shards_per_domain());
        if domains < needed && disks.len() == spec.disks.len() && !disks.is_empty() {
            self.problem(format!(
                "StoragePool {name}: {policy} needs {needed} fault domains of level {level} and \
                 its disks are in {domains}: add disks elsewhere or choose a lower level"
            ));
        }
        let recovery = match spec.recovery.speed {
            Speed::Low => RecoverySpeed::Low,
            Speed::Medium => RecoverySpeed::Medium,
            Speed::High => RecoverySpeed::High,
        };
        let cache = spec.cache.as_ref().and_then(|cache| self.cache(name, cache, folder));
        let locks = state_folder(folder).join("cache-locks");
        let expand = match spec.expand {
            resources::Expand::Rebalance => Expand::Rebalance,
            resources::Expand::NewGroup => Expand::NewGroup,
        };
        let name = name.clone();
        Some(PoolPlan { name, policy, level, expand, disks, recovery, cache, locks })
    }

    fn disk(
        &mut self,
        pool: &str,
        disk: &Disk,
        level: FaultDomain,
        folder: &Path,
    ) -> Option<DiskPlan> {
        let place = format!("StoragePool {pool}: disk {}", disk.name);
        let server = disk.server.clone().unwrap_or_default();
        let way = match self.servers.get(&server) {
            Some(way) => way.clone(),
            None if matches!(level, FaultDomain::Disk | FaultDomain::Server) => vec![server],
            None => {
                self.problem(format!("{place}: no Topology says where server {server} stands"));
                return None;
            }
        };
        Some(DiskPlan {
            name: disk.name.clone(),
            path: folder.join(&disk.path),
            size_bytes: match disk.size_gib {
                Some(size) => Some(self.bytes(&place, size)?),
                None => None,
            },
            domains: way,
            media: disk.media.map(|media| match media {
                Medium::Hdd => Media::Hdd,
                Medium::Ssd => Media::Ssd,
                Medium::Nvme => Media::Nvme,
            }),
        })
    }

    fn cache(&mut self, pool: &str, cache: &Cache, folder: &Path) -> Option<CachePlan> {
        if !(1..=2).contains(&cache.devices.len()) {
            self.problem(format!("StoragePool {pool}: a cache has one device, or two that mirror"));
            return None;
        }
        let mut devices = Vec::new();
        for device in &cache.devices {
            let place = format!("StoragePool {pool}: cache device {}", device.name);
            devices.push(DiskPlan {
                name: device.name.clone(),
                path: folder.join(&device.path),
                size_bytes: match device.size_gib {
                    Some(size) => Some(self.bytes(&place, size)?),
                    None => None,
                },
                domains: Vec::new(),
                media: None,
            });
        }
        let dirty_percent_max = cache.dirty_percent.unwrap_or(DIRTY_PERCENT_MAX);
        if !(1..=90).contains(&dirty_percent_max) {
            self.problem(format!(
                "StoragePool {pool}: cache.dirtyPercent {dirty_percent_max}: 1 to 90"
            ));
            return None;
        }
        Some(CachePlan { devices, mode: cache.mode.into(), dirty_percent_max })
    }

    fn bytes(&mut self, place: &str, size_gib: f64) -> Option<u64> {
        if !(size_gib > 0.0 && size_gib <= SIZE_GIB_MAX) {
            self.problem(format!("{place}: sizeGiB must be above 0 and at most {SIZE_GIB_MAX}"));
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        let bytes = (size_gib * GIB).round() as u64;
        Some(bytes.next_multiple_of(4096))
    }

    fn volumes(&mut self, config: &Config) -> Vec<VolumePlan> {
        let mut plans: Vec<VolumePlan> = Vec::new();
        let mut left: Vec<&Named<VolumeSpec>> = config.volumes.iter().collect();
        // A source comes before its clones, wherever they stand in the file.
        while !left.is_empty() {
            let known = |volume: &str| plans.iter().any(|plan| plan.name == volume);
            let ready = left.iter().position(|volume| match &volume.spec.source {
                None => true,
                Some(source) => {
                    let of = config.snapshots.iter().find(|it| it.name == source.snapshot);
                    of.is_none_or(|it| known(&it.spec.volume))
                }
            });
            let Some(ready) = ready else {
                let names: Vec<&str> = left.iter().map(|it| it.name.as_str()).collect();
                self.problem(format!("volumes {} are sources of each other", names.join(", ")));
                break;
            };
            let volume = left.remove(ready);
            plans.push(self.volume(volume, config));
        }
        for snapshot in &config.snapshots {
            let Named { name, spec } = snapshot;
            if !config.volumes.iter().any(|it| it.name == spec.volume) {
                self.problem(format!("Snapshot {name}: there is no volume {}", spec.volume));
            }
            if config.volumes.iter().any(|it| it.name == *name) {
                self.problem(format!("Snapshot {name} has the name of a volume"));
            }
        }
        plans
    }

    fn volume(&mut self, volume: &Named<VolumeSpec>, config: &Config) -> VolumePlan {
        let Named { name, spec } = volume;
        if !config.pools.iter().any(|it| it.name == spec.pool) {
            self.problem(format!("Volume {name}: there is no pool {}", spec.pool));
        }
        let size_bytes = spec.size_gib.and_then(|size| self.bytes(&format!("Volume {name}"), size));
        if spec.size_gib.is_none() && spec.source.is_none() {
            self.problem(format!("Volume {name}: sizeGiB is needed where there is no source"));
        }
        let source = spec.source.as_ref().and_then(|source| {
            let Some(snapshot) = config.snapshots.iter().find(|it| it.name == source.snapshot)
            else {
                self.problem(format!("Volume {name}: there is no snapshot {}", source.snapshot));
                return None;
            };
            let parent = config.volumes.iter().find(|it| it.name == snapshot.spec.volume)?;
            let linked = source.clone == CloneKind::Linked;
            if linked && parent.spec.pool != spec.pool {
                self.problem(format!(
                    "Volume {name}: a linked clone must be in {}, the pool of its snapshot; \
                     make it independent",
                    parent.spec.pool
                ));
            }
            let pool = parent.spec.pool.clone();
            Some(SourcePlan { snapshot: source.snapshot.clone(), pool, linked })
        });
        VolumePlan {
            name: name.clone(),
            pool: spec.pool.clone(),
            size_bytes,
            source,
            limits: spec.qos.as_ref().map(limits).unwrap_or_default(),
            snapshots: config
                .snapshots
                .iter()
                .filter(|it| it.spec.volume == *name)
                .map(|it| it.name.clone())
                .collect(),
        }
    }

    fn paths(&mut self, pools: &Vec<PoolPlan>) {
        let mut seen: HashMap<&PathBuf, &str> = HashMap::new();
        let mut problems = Vec::new();
        for pool in pools {
            let cache = pool.cache.iter().flat_map(|cache| &cache.devices);
            for disk in pool.disks.iter().chain(cache) {
                if let Some(other) = seen.insert(&disk.path, &disk.name) {
                    let path = disk.path.display();
                    problems.push(format!("disks {other} and {} are both {path}", disk.name));
                }
            }
        }
        self.problems.append(&mut problems);
    }
}

/// The part of a disk's place that tells its fault domain.
fn domain(disk: &DiskPlan, level: FaultDomain) -> &[String] {
    let depth = match level {
        FaultDomain::Disk | FaultDomain::Server => disk.domains.len(),
        FaultDomain::Rack => 3,
        FaultDomain::Room => 2,
    };
    &disk.domains[..depth.min(disk.domains.len())]
}

/// The policy of a text.
///
/// # Errors
/// Why it is none.
pub fn policy(redundancy: &Redundancy) -> Result<Policy, String> {
    let policy = match redundancy {
        Redundancy::Replicas(copies) => Policy::Replicas { copies: *copies },
        Redundancy::Erasure(text) => {
            let bad = || format!("{text:?} is no erasure coding: write K+M or K+M:B, as 4+2:1");
            let (data, rest) = text.split_once('+').ok_or_else(bad)?;
            let number = |text: &str| text.parse::<u8>().map_err(|_| bad());
            match rest.split_once(':') {
                None => Policy::Erasure { data: number(data)?, parity: number(rest)? },
                Some((parity, failures)) => Policy::Folded {
                    data: number(data)?,
                    parity: number(parity)?,
                    failures: number(failures)?,
                },
            }
        }
    };
    policy.check().map_err(|error| error.to_string())
}

fn limits(qos: &Qos) -> VolumeLimits {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as saturates")]
    let whole = |number: f64| number.ceil().max(1.0) as u64;
    VolumeLimits {
        iops: qos.iops,
        iops_burst: qos.iops_burst,
        read_bytes_per_second: qos.read_mibps.map(|rate| whole(rate * MIB)),
        write_bytes_per_second: qos.write_mibps.map(|rate| whole(rate * MIB)),
        burst_seconds: qos
            .burst_seconds
            .map(|seconds| u32::try_from(whole(seconds)).unwrap_or(u32::MAX)),
    }
}
