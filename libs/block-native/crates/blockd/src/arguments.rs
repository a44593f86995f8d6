//! The command line.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use purlin_cache_core::cache::Mode;

use crate::cache::serve::CacheOptions;
use crate::daemon::serve::{ServeOptions, TcpOptions};
use crate::map::{MapOptions, Standing};
use crate::port::PortChoice;

/// How the program is used.
pub const USAGE: &str = "\
usage: purlin-blockd serve --config FILE --sockets FOLDER [--port best|io_uring|threads]
                           [--volume-group GROUP] [--disk-timeout SECONDS] [--vhost]
                           [--tcp ADDRESS:PORT --tls-certificate FILE --tls-key FILE
                            [--tls-client-authority FILE]]
       purlin-blockd check --config FILE
       purlin-blockd cache-serve --origin FILE|DEVICE|NBD --cache FILE|DEVICE[,FILE|DEVICE]
                           --sockets FOLDER --locks FOLDER [--name NAME] [--size-mib MIB]
                           [--mode writethrough|writeback|pass] [--dirty-percent PERCENT]
                           [--port best|io_uring|threads] [--ordered] [--overwrite]
       purlin-blockd map --socket FILE --export NAME
       purlin-blockd unmap --device FILE
       purlin-blockd status --sockets FOLDER
       purlin-blockd upgrade --sockets FOLDER [--program FILE]
       purlin-blockd stop --sockets FOLDER
       purlin-blockd --version";

/// What a process is for a volume that is a block device of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapPart {
    /// It starts the others and ends.
    Begin,
    /// It starts a keeper again that was killed.
    Guard,
    /// It keeps the device connected.
    Keeper,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve; with `successor`, what an old daemon hands over on standard input.
    Serve {
        /// How.
        options: ServeOptions,
        /// Whether another daemon hands over.
        successor: bool,
    },
    /// Serve a slow device with SSDs before it.
    CacheServe {
        /// How.
        options: CacheOptions,
    },
    /// Make an export a block device of this host.
    Map {
        /// Which.
        options: MapOptions,
        /// What this process is for it.
        part: MapPart,
        /// The device, where it is connected already.
        standing: Option<Standing>,
    },
    /// Take such a device away.
    Unmap {
        /// Its node.
        device: PathBuf,
    },
    /// Read a configuration and say what is wrong with it.
    Check {
        /// The file.
        config: PathBuf,
    },
    /// Ask a daemon how it is.
    Status {
        /// Its folder of sockets.
        sockets: PathBuf,
    },
    /// Have a daemon replaced by another program.
    Upgrade {
        /// Its folder of sockets.
        sockets: PathBuf,
        /// The program; the daemon's own file when left out.
        program: Option<PathBuf>,
    },
    /// End a daemon.
    Stop {
        /// Its folder of sockets.
        sockets: PathBuf,
    },
    /// Say the version.
    Version,
}

/// Reads the words after the program's name.
///
/// # Errors
/// What is wrong with them.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut words = words.into_iter();
    let verb = words.next().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let mut options = Options::read(words)?;
    let command = match verb.as_str() {
        "serve" => Command::Serve {
            successor: options.flag("--successor"),
            options: ServeOptions {
                config: options.path("--config")?,
                sockets: options.path("--sockets")?,
                port: options.port()?,
                disk_timeout: options.disk_timeout()?,
                tcp: options.tcp()?,
                vhost: options.flag("--vhost"),
                volume_group: options
                    .take("--volume-group")
                    .map(|group| group.to_string_lossy().into_owned()),
            },
        },
        "cache-serve" => Command::CacheServe { options: options.cache()? },
        "map" => Command::Map {
            part: match (options.flag("--guard"), options.flag("--keep")) {
                (true, _) => MapPart::Guard,
                (_, true) => MapPart::Keeper,
                _ => MapPart::Begin,
            },
            standing: options.standing()?,
            options: MapOptions {
                socket: options.path("--socket")?,
                export: options.path("--export")?.to_string_lossy().into_owned(),
            },
        },
        "unmap" => Command::Unmap { device: options.path("--device")? },
        "check" => Command::Check { config: options.path("--config")? },
        "status" => Command::Status { sockets: options.path("--sockets")? },
        "upgrade" => Command::Upgrade {
            sockets: options.path("--sockets")?,
            program: options.take("--program").map(PathBuf::from),
        },
        "stop" => Command::Stop { sockets: options.path("--sockets")? },
        "--version" => Command::Version,
        "" => return Err("what is to be done?".to_owned()),
        _ => return Err(format!("{verb}: no such verb")),
    };
    match options.given.into_keys().min() {
        Some(name) => Err(format!("{name} means nothing to {verb}")),
        None => Ok(command),
    }
}

struct Options {
    given: HashMap<String, OsString>,
}

impl Options {
    fn read(mut words: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut given = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.to_string_lossy().into_owned();
            if !name.starts_with("--") {
                return Err(format!("{name}: an option was expected"));
            }
            let value = match name.as_str() {
                "--successor" | "--overwrite" | "--ordered" | "--keep" | "--guard" | "--vhost" => {
                    OsString::new()
                }
                _ => words.next().ok_or_else(|| format!("{name} needs a value"))?,
            };
            if given.insert(name.clone(), value).is_some() {
                return Err(format!("{name} is there twice"));
            }
        }
        Ok(Self { given })
    }

    fn take(&mut self, name: &str) -> Option<OsString> {
        self.given.remove(name)
    }

    fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some()
    }

    fn path(&mut self, name: &str) -> Result<PathBuf, String> {
        self.take(name).map(PathBuf::from).ok_or_else(|| format!("{name} is needed"))
    }

    fn port(&mut self) -> Result<PortChoice, String> {
        let Some(name) = self.take("--port") else { return Ok(PortChoice::Best) };
        let name = name.to_string_lossy();
        PortChoice::of_name(&name)
            .ok_or_else(|| format!("--port {name}: best, io_uring or threads"))
    }

    fn number(&mut self, name: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let value = value.to_string_lossy();
        value.parse().map(Some).map_err(|_| format!("{name} {value}: a whole number is needed"))
    }

    fn disk_timeout(&mut self) -> Result<Option<Duration>, String> {
        let Some(seconds) = self.number("--disk-timeout")? else { return Ok(None) };
        let timeout = Some(seconds).filter(|it| (1..=600).contains(it)).map(Duration::from_secs);
        timeout.map(Some).ok_or_else(|| format!("--disk-timeout {seconds}: 1 to 600 seconds"))
    }

    /// A device such as `nbd0`, and the process that connected it.
    fn standing(&mut self) -> Result<Option<Standing>, String> {
        let Some(device) = self.take("--device") else { return Ok(None) };
        let device = device.to_string_lossy().into_owned();
        let number = device.strip_prefix("nbd").and_then(|number| number.parse().ok());
        let process = self.number("--by")?.and_then(|process| u32::try_from(process).ok());
        match (number, process) {
            (Some(number), Some(process)) => Ok(Some(Standing { number, process })),
            _ => Err(format!("--device {device}: nbdN with --by PROCESS is needed")),
        }
    }

    fn cache(&mut self) -> Result<CacheOptions, String> {
        let origin = self.path("--origin")?.to_string_lossy().into_owned();
        let devices = self.path("--cache")?.to_string_lossy().into_owned();
        let devices: Vec<PathBuf> = devices.split(',').map(PathBuf::from).collect();
        if devices.len() > 2 {
            return Err("--cache takes one device, or two that mirror what is dirty".to_owned());
        }
        let mode = match self.take("--mode").map(|it| it.to_string_lossy().into_owned()) {
            None => None,
            Some(word) => Some(match word.as_str() {
                "writethrough" => Mode::Writethrough,
                "writeback" => Mode::Writeback,
                "pass" => Mode::PassThrough,
                _ => return Err(format!("--mode {word}: writethrough, writeback or pass")),
            }),
        };
        let percent = self.number("--dirty-percent")?.unwrap_or(70);
        let dirty_percent_max = u32::try_from(percent).ok().filter(|it| (1..=90).contains(it));
        Ok(CacheOptions {
            origin,
            devices,
            size_bytes: self.number("--size-mib")?.map(|size| size << 20),
            mode,
            dirty_percent_max: dirty_percent_max
                .ok_or_else(|| format!("--dirty-percent {percent}: 1 to 90"))?,
            ordered: self.flag("--ordered"),
            name: self.take("--name").map_or("cached".into(), |it| it.to_string_lossy().into()),
            sockets: self.path("--sockets")?,
            locks: self.path("--locks")?,
            port: self.port()?,
            overwrite: self.flag("--overwrite"),
        })
    }

    fn tcp(&mut self) -> Result<Option<TcpOptions>, String> {
        let Some(address) = self.take("--tcp") else { return Ok(None) };
        let address = address.to_string_lossy();
        Ok(Some(TcpOptions {
            address: address
                .parse()
                .map_err(|_| format!("--tcp {address}: ADDRESS:PORT, as in 192.0.2.1:10809"))?,
            certificate: self.path("--tls-certificate")?,
            key: self.path("--tls-key")?,
            client_authority: self.take("--tls-client-authority").map(PathBuf::from),
        }))
    }
}
