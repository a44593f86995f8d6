//! The daemon's one way to sockets and disks: operations go in, completions come out.
//!
//! Two ports do the same: [`uring::UringPort`] where the kernel has `io_uring` and lets us use it,
//! [`threads::ThreadPort`] elsewhere. The tests of this module run on both.

pub mod message;
pub mod operation;
pub mod threads;
pub mod token;
pub mod uring;

use std::io;
use std::time::Duration;

use operation::{Completion, Operation};
use token::Token;

/// A way to the kernel, of one thread.
pub trait Port {
    /// Hands an operation in; it starts at the latest in the next [`Port::wait`].
    fn submit(&mut self, token: Token, operation: Operation);

    /// Starts what was submitted now, before a turn that goes on for a while.
    fn push_out(&mut self);

    /// Ends an operation on a socket early; it completes with `ECANCELED`, or as it would have.
    fn cancel(&mut self, token: Token);

    /// Waits for a completion, at most `timeout` long (`None`: without end), and appends what has
    /// ended.
    ///
    /// # Errors
    /// The port itself is broken; no operation is.
    fn wait(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()>;

    /// Its name, for people.
    fn name(&self) -> &'static str;
}

/// Which port to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PortChoice {
    /// `io_uring` where it can be used.
    #[default]
    Best,
    /// `io_uring` or an error.
    Uring,
    /// Threads.
    Threads,
}

impl PortChoice {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Uring => "io_uring",
            Self::Threads => "threads",
        }
    }

    /// The choice of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Best, Self::Uring, Self::Threads].into_iter().find(|choice| choice.name() == name)
    }
}

/// Opens a port for the calling thread.
///
/// # Errors
/// What the kernel says.
pub fn open(choice: PortChoice) -> io::Result<Box<dyn Port>> {
    match choice {
        PortChoice::Uring => Ok(Box::new(uring::UringPort::new()?)),
        PortChoice::Threads => Ok(Box::new(threads::ThreadPort::new()?)),
        PortChoice::Best => open(PortChoice::Uring).or_else(|_| open(PortChoice::Threads)),
    }
}
