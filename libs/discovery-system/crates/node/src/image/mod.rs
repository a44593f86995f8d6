//! Putting an image on this machine: the steps of a plan, in their order.

mod boot_loader;
mod identity;
mod storage;
mod system;
mod unpack;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clean;
use crate::console::say;
use crate::exec::run;
use crate::failure::{Failure, Tried};
use crate::http::Client;
use crate::identity::find;
use crate::init;
use crate::order::{DeviceReference, FstabEntry, Step};
use system::System;

/// Where the new system is put together.
const ROOT: &str = "/mnt/system";
const SCRIPT_DEADLINE: Duration = Duration::from_mins(30);

/// Follows a plan. All of its disks are checked before its first step; what an earlier attempt of
/// this boot left in use is released first, so a plan may be followed again from its beginning.
///
/// # Errors
/// The step that failed, and why; everything is unmounted then.
pub fn deploy(client: &Client, steps: &[Step]) -> Result<(), Failure> {
    let mut deployment = Deployment { client, steps, system: System::new(Path::new(ROOT)) };
    deployment.system.leave()?;
    clean::stop_layers();
    for disk in steps.iter().flat_map(Step::disks) {
        find(disk)?;
    }
    let outcome = deployment.follow();
    if outcome.is_err() {
        let _ = deployment.system.leave();
        clean::stop_layers();
    }
    outcome
}

struct Deployment<'a> {
    client: &'a Client,
    steps: &'a [Step],
    system: System,
}

impl Deployment<'_> {
    fn follow(&mut self) -> Result<(), Failure> {
        for (index, step) in self.steps.iter().enumerate() {
            let title = format!("step {} of {}, {}", index + 1, self.steps.len(), step.describe());
            say(&title);
            self.step(step).map_err(|failure| Failure(format!("{title}: {failure}")))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Tell { url, .. } => Ok(self.client.post(url, "")?),
            Step::RunScript { url } => self.run_script(url),
            Step::CheckDisk { disk } => find(disk).map(|_| ()),
            Step::WipeDisk { disk } => clean::clean(&find(disk)?),
            Step::WriteTable { disk, table, partitions } => {
                storage::write_table(&find(disk)?, *table, partitions)
            }
            Step::MakeArray { name, level, members } => storage::make_array(name, *level, members),
            Step::MakeGroup { group, physical_volumes } => {
                storage::make_group(group, physical_volumes)
            }
            Step::MakeVolume { group, name, size_mib } => {
                storage::make_volume(group, name, *size_mib)
            }
            Step::MakeFilesystem { device, filesystem } => {
                storage::make_filesystem(&storage::path_of(device)?, *filesystem)
            }
            Step::Mount { device, mount } => self.system.mount(&storage::path_of(device)?, mount),
            Step::Unpack { url, sha256 } => {
                unpack::unpack(self.client.download(url), sha256, self.system.root())
            }
            Step::WriteFstab { entries } => self.write_fstab(entries),
            Step::ResetIdentity { hostname } => identity::reset(&mut self.system, hostname),
            Step::RunInSystem { program, args } => {
                let args: Vec<_> = args.iter().map(String::as_str).collect();
                self.system.run(program, &args, SCRIPT_DEADLINE).map(|_| ())
            }
            Step::InstallBootLoader { firmware, disks } => {
                let paths: Result<Vec<PathBuf>, Failure> = disks.iter().map(find).collect();
                let has_arrays =
                    self.steps.iter().any(|step| matches!(step, Step::MakeArray { .. }));
                boot_loader::install(&mut self.system, *firmware, &paths?, has_arrays)
            }
            Step::RunScriptInSystem { url } => {
                let script = self.client.get(url)?;
                self.system.run_script(&script, SCRIPT_DEADLINE)
            }
            Step::Unmount => {
                self.system.leave()?;
                clean::stop_layers();
                Ok(())
            }
            Step::RestartFromDisk => {
                init::restart();
                Ok(())
            }
        }
    }

    /// A script of the template, in this live system.
    fn run_script(&self, url: &str) -> Result<(), Failure> {
        let path = "/run/purlin/before.sh";
        fs::write(path, self.client.get(url)?).tried(|| format!("writing {path}"))?;
        run("sh", &[path], SCRIPT_DEADLINE).map(|_| ())
    }

    fn write_fstab(&self, entries: &[FstabEntry]) -> Result<(), Failure> {
        let mut text = String::new();
        for entry in entries {
            let uuid = storage::uuid_of(&storage::path_of(&entry.device)?)?;
            let FstabEntry { mount, filesystem, options, pass, .. } = entry;
            let _ = writeln!(text, "UUID={uuid} {mount} {filesystem} {options} 0 {pass}");
        }
        let path = self.system.root().join("etc/fstab");
        fs::write(&path, text).tried(|| format!("writing {}", path.display()))
    }
}

impl DeviceReference {
    /// Names of devices that mdadm and LVM make.
    fn layer_path(&self) -> Option<PathBuf> {
        match self {
            Self::Array { name } => Some(Path::new("/dev/md").join(name)),
            Self::Volume { group, name } => Some(Path::new("/dev").join(group).join(name)),
            _ => None,
        }
    }
}
