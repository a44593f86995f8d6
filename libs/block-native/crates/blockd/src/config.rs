//! The resources of a configuration file: what pools, volumes and snapshots there shall be.
//!
//! The file is a manifest as the agent takes it (`examples/storage-one-host.yaml`); only the kinds
//! of storage are meant, and every problem of the file is told at once.

mod check;
mod resources;

use std::fmt;
use std::path::Path;

pub use check::{plan, policy};
pub use resources::{
    Cache, CacheMode, CloneKind, Disk, PoolSpec, Qos, Redundancy, SnapshotSpec, Source, Speed,
    TopologySpec, VolumeSpec,
};

use serde::Deserialize;

/// A file that cannot be served. Each problem is a sentence of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// All of them, in the order of the file.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// A resource by its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<Spec> {
    /// Its name, unique in its kind.
    pub name: String,
    /// What it shall be.
    pub spec: Spec,
}

/// The resources of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// Where servers stand.
    pub topologies: Vec<Named<TopologySpec>>,
    /// Pools of the embedded engine.
    pub pools: Vec<Named<PoolSpec>>,
    /// Volumes.
    pub volumes: Vec<Named<VolumeSpec>>,
    /// Snapshots.
    pub snapshots: Vec<Named<SnapshotSpec>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    kind: String,
    name: String,
    #[serde(default)]
    #[expect(dead_code, reason = "free words for people; nothing is decided by them")]
    labels: Option<serde_json::Value>,
    spec: serde_json::Value,
}

/// Reads a file's resources.
///
/// # Errors
/// Every problem of its text; [`plan`] finds the others.
pub fn read(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
        problems: vec![format!("cannot read {}: {error}", path.display())],
    })?;
    parse(&text)
}

/// Reads resources from YAML documents.
///
/// # Errors
/// Every problem.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| ConfigError { problems: vec![format!("this is no YAML: {error}")] })?;
    let mut config = Config::default();
    let mut problems = Vec::new();
    for (number, document) in (1..).zip(documents) {
        if document.is_null() {
            continue;
        }
        let placed = serde_json::from_value::<Document>(document)
            .map_err(|error| format!("document {number}: {error}"))
            .and_then(|document| config.place(document));
        problems.extend(placed.err());
    }
    if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
}

impl Config {
    fn place(&mut self, document: Document) -> Result<(), String> {
        let Document { kind, name, spec, .. } = document;
        match kind.as_str() {
            "Topology" => self.topologies.push(named(&kind, name, spec)?),
            "StoragePool" => self.pools.push(named(&kind, name, spec)?),
            "Volume" => self.volumes.push(named(&kind, name, spec)?),
            "Snapshot" => self.snapshots.push(named(&kind, name, spec)?),
            _ => {
                let known = "Topology, StoragePool, Volume and Snapshot";
                return Err(format!("{kind} {name}: this daemon takes {known} alone"));
            }
        }
        Ok(())
    }
}

fn named<Spec: serde::de::DeserializeOwned>(
    kind: &str,
    name: String,
    spec: serde_json::Value,
) -> Result<Named<Spec>, String> {
    if !is_name(&name) {
        let rule = "1 to 63 lower-case letters, digits and dashes, not at an end";
        return Err(format!("{kind} {name}: a name must be {rule}"));
    }
    match serde_json::from_value(spec) {
        Ok(spec) => Ok(Named { name, spec }),
        Err(error) => Err(format!("{kind} {name}: {error}")),
    }
}

/// Whether a name is a DNS label (RFC 1123), which is also safe as part of a path.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = !name.starts_with('-') && !name.ends_with('-');
    (1..=63).contains(&name.len()) && ends && name.bytes().all(inside)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{parse, plan};

    fn cache_of(words: &str) -> Result<Option<u32>, String> {
        let text = format!(
            "kind: StoragePool\nname: p\nspec:\n  redundancy: {{ replicas: 1 }}\n  disks:\n    \
             - {{ name: a, server: s, path: ./a.img, sizeGiB: 0.25 }}\n  cache:\n    \
             devices: [{{ name: ssd, path: ./ssd.img, sizeGiB: 0.25 }}]\n    {words}\n"
        );
        let config = parse(&text).map_err(|error| error.to_string())?;
        let planned = plan(&config, Path::new("/pools")).map_err(|error| error.to_string())?;
        Ok(planned.pools[0].cache.as_ref().map(|cache| cache.dirty_percent_max))
    }

    #[test]
    fn how_much_of_a_cache_may_be_dirty_is_set_by_its_pool() {
        assert_eq!(cache_of("mode: writeback"), Ok(Some(70)));
        assert_eq!(cache_of("dirtyPercent: 40\n    force: true"), Ok(Some(40)));
        for percent in [0, 91] {
            let error = cache_of(&format!("dirtyPercent: {percent}")).unwrap_err();
            let rule = format!("StoragePool p: cache.dirtyPercent {percent}: 1 to 90");
            assert!(error.contains(&rule), "{error}");
        }
    }
}
