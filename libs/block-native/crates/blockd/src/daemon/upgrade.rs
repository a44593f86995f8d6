//! The planned upgrade: a new process takes pools, sockets and clients over; clients see a pause.
//!
//! ```text
//! serving --start successor--> waiting --"R"--> checkpoint (still serving)
//!   --give connections away, halt pools--> paused --send all--> waiting --"S"--> gone
//! ```
//! At every step before the last the old process can take everything up again, and does when the
//! successor fails or is late: clients see a longer pause, and no error.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use purlin_block_core::control::ControlOp;

use super::copy::REQUEST_TIMEOUT;
use super::handover::{Item, READY, SERVING, send_item};
use super::pool_thread::{PoolState, PoolThread};
use super::serve::Daemon;
use crate::reactor::mailbox::{Mail, Travelling};
use crate::vhost::session::Passport;

/// For the successor to read its configuration.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// For the successor to open the pools.
const SERVING_TIMEOUT: Duration = Duration::from_mins(1);
/// For clients that are in the handshake.
const HANDSHAKES_TIMEOUT: Duration = Duration::from_millis(500);
/// For a reactor to answer what was read; it bounds this itself.
const GIVE_AWAY_TIMEOUT: Duration = Duration::from_secs(2);
/// For sessions of machines to end what they are at.
const FREEZE_TIMEOUT: Duration = Duration::from_millis(300);
/// For operations of disks that are under way.
const HALT_TIMEOUT: Duration = Duration::from_secs(10);

/// For a log to go home while clients are served.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_mins(2);
/// How often what has come meanwhile goes home as well.
const CHECKPOINTS_MAX: usize = 8;
/// So much of a log goes home in a moment.
const LITTLE_LOG_BYTES: u64 = 4 << 20;

type Listening = Vec<(String, Arc<OwnedFd>)>;

/// Hands everything over to a new process and gives its id; this one is told to stop.
///
/// # Errors
/// Why not; then everything is as it was.
pub fn begin(daemon: &Arc<Daemon>, program: Option<PathBuf>) -> io::Result<u32> {
    let _changing = daemon.change();
    // What they make is begun again: here if this fails, else by whoever calls for it.
    let copied = daemon.copies.stop_all(REQUEST_TIMEOUT);
    let begun = begin_held(daemon, program);
    for plan in copied.iter().filter(|_| begun.is_err()) {
        if let Err(error) = daemon.ensure(plan) {
            eprintln!("purlin-blockd: the copy {}: {error}", plan.name);
        }
    }
    begun
}

fn begin_held(daemon: &Arc<Daemon>, program: Option<PathBuf>) -> io::Result<u32> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut successor = spawn(daemon, program, theirs)?;
    match hand_over(daemon, &mut ours, &mut successor) {
        Ok(()) => {
            daemon.depart();
            Ok(successor.id())
        }
        Err(error) => {
            // It may have ended by itself.
            let _ = successor.kill();
            let _ = successor.wait();
            Err(error)
        }
    }
}

fn spawn(daemon: &Daemon, program: Option<PathBuf>, theirs: UnixStream) -> io::Result<Child> {
    let program = match program {
        Some(program) => program,
        None => std::env::current_exe()?,
    };
    Command::new(&program)
        .args(daemon.options.to_arguments())
        .arg("--successor")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", program.display()))
        })
}

fn hand_over(
    daemon: &Arc<Daemon>,
    successor: &mut UnixStream,
    process: &mut Child,
) -> io::Result<()> {
    expect(successor, READY, READY_TIMEOUT)?;
    // What is in the log now needs not go home while clients wait.
    for pool in daemon.pools.iter().filter(|pool| pool.state() == PoolState::Running) {
        shorten_log(pool)?;
    }
    let listening = daemon.listeners.take_all();
    daemon.listeners.wait_for_handshakes(HANDSHAKES_TIMEOUT);
    let paused = Instant::now();
    let devices = daemon.crew.freeze(FREEZE_TIMEOUT);
    let handed = give_away(daemon).and_then(|clients| {
        let sent = send_all(daemon, successor, &listening, &clients, &devices)
            .and_then(|()| expect(successor, SERVING, SERVING_TIMEOUT));
        sent.map_err(|error| (clients, error))
    });
    match handed {
        Ok(()) => {
            eprintln!(
                "purlin-blockd: the new process serves; clients waited {} ms",
                paused.elapsed().as_millis()
            );
            Ok(())
        }
        Err((clients, error)) => {
            // It may have ended by itself; its disks are free once it has.
            let _ = process.kill();
            let _ = process.wait();
            take_up_again(daemon, listening, clients);
            Err(error)
        }
    }
}

/// Sends a pool's log home, and again what has come meanwhile, until it is little.
fn shorten_log(pool: &PoolThread) -> io::Result<()> {
    for _ in 0..CHECKPOINTS_MAX {
        pool.call_within(ControlOp::Checkpoint, CHECKPOINT_TIMEOUT).map_err(io::Error::other)?;
        if pool.status().map_err(io::Error::other)?.log_used_bytes <= LITTLE_LOG_BYTES {
            break;
        }
    }
    Ok(())
}

/// Takes the connections out of all reactors and closes the pools, so that the successor has no log
/// to read.
fn give_away(daemon: &Daemon) -> Result<Vec<Travelling>, (Vec<Travelling>, io::Error)> {
    let running = || daemon.pools.iter().filter(|pool| pool.state() == PoolState::Running);
    let asked: Vec<_> = running()
        .map(|pool| {
            let (sender, receiver) = channel();
            pool.mailbox.send(Mail::GiveAway(sender));
            receiver
        })
        .collect();
    let mut clients = Vec::new();
    let mut late = false;
    for receiver in asked {
        match receiver.recv_timeout(GIVE_AWAY_TIMEOUT) {
            Ok(Some(given)) => clients.extend(given),
            _ => late = true,
        }
    }
    if late {
        let message = "requests under way were not answered in time; try again under less load";
        return Err((clients, io::Error::new(io::ErrorKind::TimedOut, message)));
    }
    for pool in running() {
        let closed = pool.close(HALT_TIMEOUT);
        if closed.is_err() || !pool.halt(HALT_TIMEOUT) {
            let reason = closed.map_or_else(|error| error.to_string(), |()| "it hangs".to_owned());
            let message = format!("pool {} cannot be closed: {reason}", pool.plan.name);
            return Err((clients, io::Error::new(io::ErrorKind::TimedOut, message)));
        }
    }
    Ok(clients)
}

fn send_all(
    daemon: &Daemon,
    successor: &mut UnixStream,
    listening: &Listening,
    clients: &[Travelling],
    devices: &[Passport],
) -> io::Result<()> {
    successor.set_write_timeout(Some(READY_TIMEOUT))?;
    send_item(successor, &Item::Lock, &[], daemon.lock())?;
    for (name, socket) in listening {
        send_item(successor, &Item::Listener(name.clone()), &[], socket.as_fd())?;
    }
    for client in clients {
        let item = Item::Client(Box::new(client.session.clone()));
        send_item(successor, &item, &client.pending, client.socket.as_fd())?;
    }
    for device in devices {
        let item = Item::Device(device.volume.clone(), Box::new(device.state.clone()));
        send_item(successor, &item, &[], device.socket.as_fd())?;
        for (part, descriptor) in &device.parts {
            send_item(successor, &Item::Part(*part), &[], descriptor.as_fd())?;
        }
    }
    send_item(successor, &Item::End, &[], daemon.lock())
}

/// Starts the halted pools again and gives listeners and clients back.
fn take_up_again(daemon: &Arc<Daemon>, listening: Listening, clients: Vec<Travelling>) {
    for pool in daemon.pools.iter().filter(|pool| pool.state() == PoolState::Closed) {
        if let Err(error) = pool.restart() {
            eprintln!("purlin-blockd: pool {} cannot be taken up: {error}", pool.plan.name);
        }
    }
    // A client whose volume is not known yet would be hung up on.
    for pool in &daemon.pools {
        pool.wait_started(SERVING_TIMEOUT);
    }
    daemon.adopt(clients);
    daemon.crew.thaw();
    for (name, socket) in listening {
        daemon.listen_on(&name, socket);
    }
}

fn expect(successor: &mut UnixStream, wanted: u8, timeout: Duration) -> io::Result<()> {
    successor.set_read_timeout(Some(timeout))?;
    let mut byte = [0];
    match successor.read(&mut byte) {
        Ok(1) if byte[0] == wanted => Ok(()),
        Ok(_) => Err(io::Error::other("the new process ended; its reason is in its log")),
        Err(error) => {
            let message = format!("the new process did not answer: {error}");
            Err(io::Error::new(error.kind(), message))
        }
    }
}
